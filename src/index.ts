/**
 * The public names of Sendall, one by one.
 *
 * @module sendall
 */
export type {
  Authorize,
  ClusterAdapter,
  ClusterLink,
  ClusterNode,
  Ending,
  Handler,
  HandlerFunction,
  Logger,
  ShapedHandler,
  StatefulHandler,
  UpgradeRequest,
} from "./contracts.js";
export { SendallError, type SendallErrorCode, type SendallErrorDetails } from "./errors.js";
export type {
  Bus,
  Cancel,
  ClosedBy,
  ClosedEvent,
  ClusterStats,
  Connection,
  ConnectionData,
  ConnectionId,
  ConnectionRef,
  Data,
  ErrorEvent,
  Failure,
  IdleEvent,
  InfoEvent,
  LinkState,
  MessageEvent,
  OpenEvent,
  Params,
  ParamsOf,
  Receipt,
  RequestFacts,
  RoomOption,
  ServerEvent,
  Stats,
  TransportName,
  Verbs,
} from "./events.js";
export { type ChannelHandlers, channels } from "./handlers/channels.js";
export { fromLogic, type LogicInput } from "./handlers/fromLogic.js";
export { idle } from "./handlers/idle.js";
export type { ConnectionLoop, LoopConnection, LoopMessage } from "./handlers/loop.js";
export type { ConnectionModule } from "./handlers/module.js";
export { perConnection } from "./handlers/perConnection.js";
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
} from "./handlers/reply.js";
export type { HostServer } from "./http/attach.js";
export type {
  AccessEntry,
  AttachOptions,
  CloseOptions,
  Handling,
  HeartbeatOptions,
  MailboxOptions,
  OutboxOptions,
  RouteOptions,
  ServeOptions,
  ServerOptions,
  SharedOptions,
  SockJsOptions,
  SuperviseOptions,
} from "./options.js";
export { route } from "./options.js";
export { type Rejection, reject } from "./reject.js";
export type { Server, ServerEnd } from "./server/live.js";
export { attach, serve } from "./server.js";
