/**
 * `sendall/client`: a client that stays connected, for pages and for programs.
 *
 * @module sendall/client
 */

export { SendallError, type SendallErrorCode } from "./api/errors.js";
export type { ClientEvents } from "./client/callbacks.js";
export type { Channel } from "./client/channels.js";
export type { AnyClient, Client, ProtocolClient, TypedClient } from "./client/client.js";
export type { ClientProtocol } from "./client/client-protocol.js";
export { connect } from "./client/connect.js";
export type { ClientState } from "./client/machine.js";
export type {
  ChannelOptions,
  ClientAddress,
  ClientClosing,
  ClientData,
  ClientHeaders,
  ClientOpening,
  ClientStatus,
  ConnectOptions,
  OfflineOptions,
  ReconnectOptions,
} from "./client/options.js";
export type {
  AbortSignalLike,
  AnyChannel,
  AnyChannelOptions,
  AnyConnectOptions,
  CallBounds,
  CallOptions,
  MessageListeners,
  ProtocolChannel,
  TypedChannel,
  TypedEvents,
  TypedVerbs,
} from "./client/typed.js";
export type { WebSocketClass, WebSocketLike, WebSocketLikeEvent } from "./client/web-socket.js";
export type { ProtocolSpec } from "./protocol/spec.js";
