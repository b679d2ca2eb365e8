/**
 * The public names of Sendall, for programs with a server.
 *
 * @module sendall
 */
export type { Authorize, UpgradeRequest } from "./api/authorize.js";
export type { BudgetOptions } from "./api/budget.js";
export type { Bus, Cancel, Receipt, RoomOption, Verbs } from "./api/bus.js";
export type { ClusterAdapter, ClusterLink, ClusterNode } from "./api/cluster-adapter.js";
export type {
  ClosedBy,
  Connection,
  ConnectionData,
  ConnectionId,
  ConnectionRef,
  Data,
  Params,
  ParamsOf,
  RequestFacts,
  TransportName,
} from "./api/connection.js";
export { SendallError, type SendallErrorCode, type SendallErrorDetails } from "./api/errors.js";
export type {
  AwayEvent,
  BackEvent,
  ChangedEvent,
  ClosedEvent,
  Ending,
  ErrorEvent,
  IdleEvent,
  InfoEvent,
  JoinedEvent,
  LeftEvent,
  MessageEvent,
  OpenEvent,
  ServerEvent,
} from "./api/events.js";
export type { FollowFrom, FollowResult } from "./api/follow.js";
export type { Handler, HandlerFunction, ShapedHandler, StatefulHandler } from "./api/handler.js";
export type {
  HistoryMessage,
  HistoryOptions,
  HistoryRange,
  HistoryResult,
} from "./api/history.js";
export type {
  HistoryHost,
  HistoryLimits,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "./api/history-store.js";
export type { Json } from "./api/json.js";
export type {
  AccessEntry,
  CloseOptions,
  HeartbeatOptions,
  MailboxOptions,
  OutboxOptions,
  ResumeOptions,
  ServerOptions,
  SharedOptions,
  SockJsOptions,
  SuperviseOptions,
} from "./api/options.js";
export type { PresenceNotice, PresenceOptions, PresentCount, PresentKey } from "./api/presence.js";
export { type Rejection, reject } from "./api/rejection.js";
export type {
  AttachOptions,
  EachPathInsteadOfHandler,
  HandlerInsteadOfRoutes,
  Handling,
  RouteEntries,
  RouteEntry,
  RouteOptions,
  ServeOptions,
} from "./api/serve-options.js";
export { route } from "./api/serve-options.js";
export type {
  ConnectionSnapshot,
  EventUnderWay,
  RoomSnapshot,
  RouteRates,
  RouteSnapshot,
  Snapshot,
  SnapshotOptions,
  TopConnections,
  TurnLength,
} from "./api/snapshot.js";
export type { ClosedCount, ClusterStats, DropReason, Failure, LinkState, RefusedCount, Stats } from "./api/stats.js";
export type {
  TracedClosed,
  TracedControlFrame,
  TracedEvent,
  TracedOpen,
  TracedRefusal,
} from "./api/tracing.js";
export { type ChannelHandlers, channels } from "./handlers/channels/channels.js";
export { fromLogic } from "./handlers/from-logic/from-logic.js";
export type { LogicInput } from "./handlers/from-logic/logic-input.js";
export { idle } from "./handlers/per-connection/idle.js";
export type { ConnectionLoop, LoopConnection, LoopMessage } from "./handlers/per-connection/loop.js";
export type { ConnectionModule } from "./handlers/per-connection/module.js";
export { perConnection } from "./handlers/per-connection/per-connection.js";
export {
  type CloseReply,
  type ControlReply,
  close,
  type MessageReply,
  type NoReply,
  noreply,
  ping,
  pong,
  type Reply,
  reply,
  type SingleReply,
} from "./handlers/per-connection/reply.js";
export type { HostServer } from "./http/attach.js";
export type { Logger } from "./runtime/logger.js";
export { attach } from "./server/attach.js";
export { serve } from "./server/serve.js";
export type { Server, ServerEnd } from "./server/server.js";
