/** The public names of Sendall, one by one. */
export type {
  Authorize,
  Handler,
  HandlerFunction,
  Logger,
  StatefulHandler,
  UpgradeRequest,
} from "./contracts.js";
export { SendallError, type SendallErrorCode, type SendallErrorDetails } from "./errors.js";
export type {
  Bus,
  Cancel,
  ClosedBy,
  ClosedEvent,
  Connection,
  ConnectionData,
  ConnectionId,
  ConnectionRef,
  Data,
  ErrorEvent,
  Failure,
  IdleEvent,
  InfoEvent,
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
