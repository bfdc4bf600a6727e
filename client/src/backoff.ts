// How long to wait before the next attempt: exponential, with full jitter, so that those who lost
// the same server do not come back at the same moment. Knows neither clock nor connection.

const MIN_MS = 500;
const MAX_MS = 20_000;

export class Backoff {
  /** The bounds of the waits, where the application has set none. */
  min: number;
  max: number;
  #random: () => number;

  constructor(random: () => number, min = MIN_MS, max = MAX_MS) {
    this.#random = random;
    this.min = min;
    this.max = max;
  }

  /** A random moment of a range that doubles with each try, the first being 0. */
  wait(tries: number): number {
    return this.between(0, Math.min(this.max, this.min * 2 ** tries));
  }

  between(from: number, to: number): number {
    return from + this.#random() * Math.max(0, to - from);
  }
}
