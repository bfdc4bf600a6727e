// What the parts of one client know of each other: each is made with this, and finds the others in
// it.

import type { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import type { Connection, StateChange } from "./connection.js";
import type { Envelope, Unchecked } from "./envelope.js";
import type { FanwireEvents, Options } from "./fanwire.js";
import type { Positions } from "./positions.js";
import type { Requests } from "./requests.js";
import type { PublishOptions, Published, Subscription } from "./subscription.js";
import type { Subscriptions } from "./subscriptions.js";

export interface Core {
  options: Options;
  clock: Clock;
  backoff: Backoff;
  positions: Positions;
  requests: Requests;
  subscriptions: Subscriptions;
  link: Connection;
  /** `$all`, which every connection follows. */
  everybody: Subscription;
  /** Tells the application. */
  emit<Name extends keyof FanwireEvents>(name: Name, event: FanwireEvents[Name]): void;
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
  changed(change: StateChange): void;
  /** The welcome has come: says so, and sends what waits. */
  opened(welcome: Unchecked): void;
  received(envelope: Envelope): void;
}
