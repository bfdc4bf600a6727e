// Who is in a channel, as its presence messages tell it: a snapshot, then who came and went. Where
// there are too many, the server tells only how many.

import { type Unchecked, number, text } from "./envelope.js";

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
  take(data: Unchecked): PresenceChange {
    const snapshot = data.snapshot === true;
    const joined = members(snapshot ? data.members : data.joined);
    const left = members(data.left);
    // Only a number: nobody is known by name any more.
    const bare = data.joined === undefined && data.left === undefined;
    if (snapshot || bare) this.clear();
    for (const member of left) this.delete(nameOf(member));
    for (const member of joined) this.set(nameOf(member), member);
    this.count = number(data.count, this.size);
    return { snapshot, count: this.count, joined, left };
  }
}

/** What tells a member from others: `Members` has them by this name. */
const nameOf = (member: Unchecked): string => member?.user ?? member?.connection;

const members = (list: Unchecked): Member[] =>
  Array.isArray(list) ? list.filter((one) => text(nameOf(one))) : [];
