/**
 * `sendall/protocol`: typed messages and calls, for servers and pages.
 *
 * @module sendall/protocol
 */
export type { MessageIssue, SendallErrorCode, SendallErrorDetails } from "./api/errors.js";
export type {
  InfoContext,
  ProtocolContext,
  ProtocolEvents,
  ProtocolFunctions,
  ProtocolHandlerOptions,
  ProtocolHandlers,
} from "./protocol/handlers.js";
export { protocol, refuse, SendallError } from "./protocol/node.js";
export type { MessageMaker, Protocol, ProtocolHandlerMaker, ProtocolOptions } from "./protocol/protocol.js";
export type { ProtocolRefusal } from "./protocol/refuse.js";
export type {
  AnswerInput,
  AnswerOutput,
  CallName,
  CallSpec,
  ClientInput,
  ClientOutput,
  Encoded,
  MessageName,
  ProtocolSpec,
  ServerInput,
  ServerMessageName,
  ServerOutput,
} from "./protocol/spec.js";
export type {
  InputOf,
  OutputOf,
  Schema,
  SchemaIssue,
  SchemaProperties,
  SchemaResult,
} from "./protocol/standard-schema.js";
