// Time, as the rest of the library sees it: a clock that can be replaced, and timers that end what
// they began. The longest wait stands here. Nothing else in the library calls setTimeout.

/** Time for a client. `now` need not be the time of day, and may jump: it is only ever a hint. */
export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  // Which goes on while the machine sleeps.
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** Beyond this, browsers and Node fire at once. */
export const LONGEST_MS = 2 ** 31 - 1;

/** One timer: starting it anew forgets what it waited for before. */
export class Timer {
  #clock: Clock;
  #running: unknown;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(ms: number, run: () => void): void {
    this.stop();
    const wait = Math.min(Math.max(0, ms), LONGEST_MS);
    this.#running = this.#clock.setTimeout(() => {
      this.#running = undefined;
      run();
    }, wait);
  }

  stop(): void {
    if (this.#running !== undefined) this.#clock.clearTimeout(this.#running);
    this.#running = undefined;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }
}
