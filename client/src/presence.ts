// Who is in a channel, as its presence messages tell it: a snapshot, then who came and went. Where
// there are too many, the server tells only how many.

import { field, number, text } from "./envelope.js";

/** Somebody in a channel. */
export interface Member {
  /** The verified user; absent for an anonymous client. */
  user?: string;
  /** The connection of an anonymous client. */
  connection?: string;
  [field: string]: unknown;
}

/** What has changed. A snapshot says `joined` of everybody. */
export interface PresenceChange {
  snapshot: boolean;
  count: number;
  joined: Member[];
  left: Member[];
}

export class Members extends Map<string, Member> {
  count = 0;

  /** Takes a presence message, and gives what has changed by it. @internal */
  take(data: unknown): PresenceChange {
    const snapshot = field(data, "snapshot") === true;
    const joined = members(field(data, snapshot ? "members" : "joined"));
    const left = members(field(data, "left"));
    // Only a number: nobody is known by name any more.
    const bare = field(data, "joined") === undefined && field(data, "left") === undefined;
    if (snapshot || bare) this.clear();
    for (const member of left) this.delete(nameOf(member));
    for (const member of joined) this.set(nameOf(member), member);
    this.count = number(field(data, "count"), this.size);
    return { snapshot, count: this.count, joined, left };
  }
}

/** What tells a member from others: `Members` has them by this name. */
export function nameOf(member: Member): string {
  return member.user ?? member.connection ?? "";
}

function members(list: unknown): Member[] {
  if (!Array.isArray(list)) return [];
  const all = list.map((one) => (typeof one === "string" ? { user: one } : one));
  return all.filter((one) => text(field(one, "user") ?? field(one, "connection")) !== undefined);
}
