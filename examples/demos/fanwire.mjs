// What a backend says to Fanwire: plain HTTP. `fetch` keeps the connection open between requests.

export class Fanwire {
  /** `key` is the secret of an API key; an open server on this machine needs none. */
  constructor(url, key) {
    this.url = url;
    this.headers = key ? { Authorization: `Bearer ${key}` } : {};
  }

  async ask(method, path, body) {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: this.headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return answer.headers.get("Content-Type")?.startsWith("application/json")
      ? JSON.parse(text)
      : text;
  }

  /** Publishes these: `{channel, data, key?, encoding?, idempotency_key?}`, in this order. */
  async publish(...items) {
    const { results } = await this.ask("POST", "/publish", items);
    const refused = results.find(({ error }) => error);
    if (refused) throw new Error(`publish: ${refused.error.code} ${refused.error.message}`);
    return results;
  }

  /** A reader of what comes into a channel from now on, each publication once, in order. */
  async reader(channel) {
    const path = `/channels/${channel}/history`;
    let { position } = await this.ask("GET", `${path}?limit=1`);
    return async () => {
      const since = position ? `since=${encodeURIComponent(position)}&` : "";
      const page = await this.ask("GET", `${path}?${since}limit=1000`);
      // The place to go on from is that of the last one read; where there is none, that of today.
      position = page.more ? page.messages.at(-1).id : page.position;
      return page.messages;
    };
  }
}

/** Whether what a client sent is an object with fields of these types: clients are strangers. */
export function fits(data, shape) {
  if (data === null || typeof data !== "object") return false;
  return Object.entries(shape).every(([field, type]) => typeof data[field] === type);
}
