// What the package gives to applications.

export { Fanwire } from "./fanwire.js";
export { FanwireError } from "./error.js";
export { Subscription } from "./subscription.js";
export type { Clock } from "./clock.js";
export type { Gap, Message } from "./envelope.js";
export type { FanwireEvents, HistoryPage, Options, PresencePage, Update } from "./fanwire.js";
export type { Member, Members, PresenceChange } from "./presence.js";
export type { PublishOptions, Published } from "./subscription.js";
export type { SubscribeOptions, SubscriptionEvents, SubscriptionState } from "./subscription.js";
export type { State, StateChange } from "./connection.js";
export type { TokenSource } from "./token.js";
export type { PositionStorage } from "./positions.js";
