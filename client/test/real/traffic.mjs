// Traffic between two clients of one page or program, and the account of it. The function is also
// sent into a browser, so it uses nothing from outside itself.

// Begins: one client publishes 0, 1, 2 ... to a channel, another one follows it and writes down
// what it is told; a `late` one takes longer to come back. `given` is the library; without it, the
// page's own.
export async function traffic({ url, last, late }, given) {
  const PATIENCE_MS = 30_000;
  const { Fanwire, WebSocket } = given ?? (await import("/client.js"));
  const options = { minDelay: 5, maxDelay: 40, maxRate: 2000, WebSocket };
  const writer = new Fanwire(url, options);
  const reader = new Fanwire(url, late ? { ...options, minDelay: 400, maxDelay: 800 } : options);
  const account = {
    story: [], // what the reader was told: numbers, and gaps as `{after, to}`
    acked: [], // [number, position]
    doubtful: [], // numbers of which nobody knows
    published: 0,
    connections: 0,
    errors: [],
  };
  const room = reader.subscribe("traffic", last ? { last } : {});
  room.on("message", ({ data, id }) => account.story.push([data, id]));
  room.on("gap", ({ after, to, reason }) => account.story.push({ after, to, reason }));
  for (const client of [writer, reader]) {
    client.on("error", ({ code, message }) => account.errors.push(`${code}: ${message}`));
    client.on("state", ({ state }) => (account.connections += state === "open"));
  }

  let publishing = true;
  const open = new Set();
  // Waits for what must come; what has not come in time is an error that says so.
  const until = async (come, what) => {
    const end = Date.now() + PATIENCE_MS;
    while (!come()) {
      if (Date.now() > end) {
        const { story, acked, published } = account;
        const ends = JSON.stringify([story.at(-1), acked.at(-1), room.position]);
        throw new Error(
          `${what} did not come: ${published} published, ${open.size} unanswered, writer ` +
            `${writer.state}, reader ${reader.state}, ${room.state}, last told, acked, at: ${ends}`,
        );
      }
      await new Promise((later) => setTimeout(later, 5));
    }
  };
  await until(() => room.state === "joined", "the answer to the subscription");
  const publish = () => {
    const n = account.published++;
    const one = writer.publish("traffic", n).then(
      ({ id }) => account.acked.push([n, id]),
      ({ code }) => (code === "outcome_unknown" ? account.doubtful : account.errors).push(n),
    );
    open.add(one);
    void one.finally(() => open.delete(one));
  };
  const timer = setInterval(() => publishing && open.size < 200 && publish(), 5);

  globalThis.traffic = {
    // Waits until so many more are in that list of the account.
    async more(list, count) {
      const enough = account[list].length + count;
      await until(() => account[list].length >= enough, `${count} more in ${list}`);
    },
    // Lets everything come to its end, and gives the account.
    async end() {
      publishing = false;
      clearInterval(timer);
      await until(() => open.size === 0, "an answer to each publish");
      // One more goes the whole way behind all others.
      publish();
      await until(() => open.size === 0, "the answer to the last publish");
      const [, id] = account.acked.at(-1);
      // A reader that has come back only now is told of it by the end of a gap.
      await until(() => room.position === id, "the last publication, or a gap up to it,");
      for (const client of [writer, reader]) client.close();
      return account;
    },
  };
}

// What is wrong with an account: nothing may be doubled or out of order; what was acknowledged and
// did not come must lie in a gap that was told.
export function faults({ story, acked, errors }, { gaps }) {
  const wrong = [...errors];
  const seen = new Set();
  const behind = []; // [from, to): numbers that a gap may hide
  let next = 0;
  let hidden = false;
  for (const entry of story) {
    if (!Array.isArray(entry)) {
      if (!gaps) wrong.push(`a gap: ${JSON.stringify(entry)}`);
      hidden = true;
      continue;
    }
    const [n] = entry;
    if (seen.has(n)) wrong.push(`${n} came twice`);
    else if (n < next) wrong.push(`${n} came after ${next - 1}`);
    seen.add(n);
    if (hidden) behind.push([next, n]);
    next = n + 1;
    hidden = false;
  }
  if (hidden) behind.push([next, Infinity]);
  for (const [n] of acked) {
    const told = behind.some(([from, to]) => from <= n && n < to);
    if (!seen.has(n) && !told) wrong.push(`${n} was acknowledged and never came`);
  }
  return wrong;
}
