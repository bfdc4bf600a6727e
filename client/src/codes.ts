// What a close code asks of the client: the table of the protocol, in one place.

/** What to do about a lost connection. */
export interface Verdict {
  /** Stop; get a new token and come back; or come back. */
  course: "stop" | "token" | "return";
  /** Which unanswered requests not to send again: all, or only the longest. */
  drop?: "all" | "longest";
  /** Why, in a word. */
  reason: string;
  code: number;
  /** The least wait before coming back. */
  least: number;
  /** The range in which the server wants one back. */
  pace?: [number, number];
}

const STOPS = [1000, 1003, 1008];

/** What a close with `code` and `reason` asks for. */
export function judge(code: number, reason: unknown): Verdict {
  const words = typeof reason === "string" ? reason : "";
  const verdict: Verdict = {
    course: "return",
    code,
    reason: /^\w+/.exec(words)?.[0] ?? (code < 1016 ? "lost" : `${code}`),
    least: code === 1011 ? 5000 : 0,
  };
  const family = Math.floor(code / 100);
  if (STOPS.includes(code) || family === 44) verdict.course = "stop";
  if (family === 41) verdict.course = "token";
  if (code === 1002 || code === 1007) verdict.drop = "all";
  if (code === 1009) verdict.drop = "longest";
  const pace = /;retry=(\d{1,7})-(\d{1,7})$/.exec(words);
  if (pace) verdict.pace = [Number(pace[1]), Number(pace[2])];
  return verdict;
}
