// The envelope of `fanwire.v1`: messages read with distrust, payloads to and from JSON. Whatever
// comes in is checked here, field by field; a message that cannot be what it says is `undefined`.

/** A publication. */
export interface Message<T = unknown> {
  /** Its position in the channel: opaque, compared only for equality. */
  id: string;
  channel: string;
  /** The verified user who published it; absent for the backend and anonymous clients. */
  from?: string;
  /** Its conflation key. */
  key?: string;
  /** The payload. Bytes come as `Uint8Array`. */
  data: T;
  /** When it was accepted: milliseconds since the Unix epoch. */
  timestamp: number;
}

/** Publications that will not come: those after `after`, up to and with `to`. */
export interface Gap {
  channel: string;
  after: string | null;
  to: string;
  /** How many, where that is known. */
  missed?: number;
  /** `slow`, `evicted`, `epoch`, `engine`. */
  reason: string;
}

/** What has come in: every field is looked at before it is believed. */
export type Unchecked = any;

/** A message of the server: an object with a type, and else unchecked. */
export type Envelope = { type: string } & Record<string, Unchecked>;

export const text = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;

/** A number from 0 on; else what stands there instead. */
export const number = (value: unknown, otherwise: number): number =>
  typeof value === "number" && value >= 0 ? value : otherwise;

/** A position, if it can be one. */
export const position = (value: unknown): string | undefined =>
  typeof value === "string" && /^[!-~]{1,64}$/.test(value) ? value : undefined;

/** A message of the server, if it is one. */
export function parse(frame: unknown): Envelope | undefined {
  try {
    const value: Unchecked = typeof frame === "string" ? JSON.parse(frame) : undefined;
    return text(value?.type) === undefined ? undefined : value;
  } catch {
    return undefined;
  }
}

/** The publication in `envelope`, or in a page of history. */
export function publication(envelope: Unchecked, channel: string): Message | undefined {
  if (!position(envelope?.id)) return undefined;
  const { type, encoding, data, ...rest } = envelope;
  return { ...rest, channel, data: payload(data, encoding) };
}

function payload(data: Unchecked, encoding: unknown): unknown {
  if (encoding !== "base64") return data;
  try {
    return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  } catch {
    return data;
  }
}

/** A payload as JSON, and its encoding. Throws where it is not JSON. */
export function encode(data: unknown): { json: string; encoding?: string } {
  if (data instanceof ArrayBuffer) data = new Uint8Array(data);
  if (data instanceof Uint8Array) {
    let letters = "";
    for (const byte of data) letters += String.fromCharCode(byte);
    return { json: `"${btoa(letters)}"`, encoding: "base64" };
  }
  const json = JSON.stringify(data) as string | undefined;
  if (json === undefined) throw new TypeError("the payload is not JSON");
  return { json };
}

/** The gap in the `data` of a message about `channel`. */
export function gap(data: Unchecked, channel: string): Gap | undefined {
  if (!position(data?.to)) return undefined;
  return { after: null, reason: "unknown", ...data, channel };
}
