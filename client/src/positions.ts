// Positions that outlive the page, where the application gives a storage for them. A storage may be
// full, forbidden, or hold nonsense: then there is no position, and the channel begins as if new.

import { position } from "./envelope.js";

/** As much of the browser's `Storage` as is needed. */
export interface PositionStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export class Positions {
  #storage: PositionStorage | undefined;

  constructor(storage: PositionStorage | undefined) {
    this.#storage = storage;
  }

  load(channel: string): string | undefined {
    try {
      return position(this.#storage?.getItem(`fanwire:${channel}`));
    } catch {
      return undefined;
    }
  }

  save(channel: string, place: string): void {
    try {
      this.#storage?.setItem(`fanwire:${channel}`, place);
    } catch {
      // Without a place to keep it, it is kept in memory alone.
    }
  }
}
