// Events by name. What a listener throws is the application's error: it is reported, and harms
// neither the other listeners nor the client.

export class Emitter<Events extends object> {
  #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls `listener` at every such event, until the function that this returns is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    // A function of its own for each call: the same listener may be there twice.
    const one = (event: never): void => listener(event);
    this.#listeners.set(name, all.add(one));
    return () => void all.delete(one);
  }

  /** Part of the library, not of its API. @internal */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event as never);
      } catch (error) {
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }
}
