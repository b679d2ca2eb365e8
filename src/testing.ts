/**
 * `sendall/testing`: a whole server inside a test, on the memory transport, with a clock and a scheduler that the test drives.
 * The server under test is the server of production: only the listener, the clock and the ids differ.
 *
 * @module sendall/testing
 */
export { SendallError } from "./api/errors.js";
export { type DelayedHistoryOptions, delayedHistory } from "./testing/delayed-history.js";
export { type ExploreOptions, explore } from "./testing/explore/explore.js";
export type { Fault } from "./testing/explore/explorer.js";
export { type Divergence, ExploreFailure } from "./testing/explore/failure.js";
export type { Scenario, Stage } from "./testing/explore/play.js";
export type { TraceStep } from "./testing/explore/trace.js";
export type { ClientClose, TestClient } from "./testing/runtime/client.js";
export type {
  TestConnectOptions as ConnectOptions,
  TestRuntime,
  TestRuntimeOptions,
  TypedTestConnectOptions as TypedConnectOptions,
} from "./testing/runtime/contracts.js";
export { createTestRuntime } from "./testing/runtime/create.js";
export type { AnyDialledClient, DialledClient, DialledVerbs, TypedDialledClient } from "./testing/runtime/dial.js";
export type { DialOptions } from "./testing/runtime/dial-options.js";
export type { TypedTestClient } from "./testing/runtime/typed-test-client.js";
export type {
  RuntimeTimers,
  RuntimeWebSocket,
  RuntimeWebSocketClass,
  WebSocketCloseEvent,
  WebSocketData,
  WebSocketEvents,
  WebSocketMessageEvent,
} from "./testing/runtime/whatwg.js";
