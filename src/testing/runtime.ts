/**
 * `sendall/testing`: a whole server inside a test, on the memory transport, with a clock and a scheduler that the test drives.
 * What passes here is what runs in production: only the entrance, the clock and the ids are others.
 *
 * @module sendall/testing
 */
import type { ConnectionData } from "../events.js";
import { buildRuntime } from "./build.js";
import type { TestRuntime, TestRuntimeOptions } from "./contracts.js";
import { createWorld } from "./steps.js";

export { SendallError } from "../errors.js";
export type { ClientClose, TestClient } from "./client.js";
export type { ConnectOptions, TestRuntime, TestRuntimeOptions } from "./contracts.js";
export { ExploreFailure, type ExploreOptions, explore } from "./explore.js";
export type { Fault } from "./explorer.js";
export type { Scenario, Stage } from "./play.js";
export type { TraceStep } from "./trace.js";
export type {
  RuntimeTimers,
  RuntimeWebSocket,
  RuntimeWebSocketClass,
  WebSocketCloseEvent,
  WebSocketData,
  WebSocketEvents,
  WebSocketMessageEvent,
} from "./whatwg.js";

/**
 * Makes a server that lives inside the test: no port, no timers, no sleeping. It starts with the first call that needs it,
 * which rejects with what the first `init` throws.
 *
 * @throws SendallError `BAD_OPTION`
 */
export function createTestRuntime<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
  options: TestRuntimeOptions<D, S, R>,
): TestRuntime<D> {
  return buildRuntime(options, 1, createWorld());
}
