// Whether the link is alive: a link on which nothing was heard for longer than the server's updates
// are apart is asked with a ping, and is dead when nothing comes then either. A clock that jumps
// therefore costs a ping, never a good link.

import { type Clock, Timer } from "./clock.js";

const SILENCE_MS = 30_000;
const PATIENCE_MS = 10_000;

export class Watch {
  #clock: Clock;
  #timer: Timer;
  #ping: () => void;
  #dead: () => void;
  #silence = SILENCE_MS;
  #patience = PATIENCE_MS;
  #heard = 0;
  #asked = false;

  constructor(clock: Clock, ping: () => void, dead: () => void) {
    this.#clock = clock;
    this.#timer = new Timer(clock);
    this.#ping = ping;
    this.#dead = dead;
  }

  /** Begins, with the intervals that the server has named; 0 is none. */
  start(update: number, pong: number): void {
    this.#silence = (update || SILENCE_MS) * 1.25;
    this.#patience = pong || PATIENCE_MS;
    this.heard();
    this.#wait(this.#silence);
  }

  stop(): void {
    this.#timer.stop();
    this.#asked = false;
  }

  heard(): void {
    this.#heard = this.#clock.now();
    this.#asked = false;
  }

  /** Asks now: the network may have changed. */
  check(): void {
    if (this.#asked || !this.#timer.running) return;
    this.#asked = true;
    this.#ping();
    this.#timer.start(this.#patience, () => (this.#asked ? this.#dead() : this.#look()));
  }

  #wait(ms: number): void {
    this.#timer.start(ms, () => this.#look());
  }

  #look(): void {
    const silent = this.#clock.now() - this.#heard;
    // A clock that was set back says nothing about the link.
    if (silent < 0) this.#heard = this.#clock.now();
    const left = this.#silence - Math.max(0, silent);
    this.#wait(left);
    if (left <= 0) this.check();
  }
}
