/** The composition root of the test runtime: builds the environment of a server, and what a test drives the server with. */
import type { ConnectionData } from "../../api/connection.js";
import { buildRuntime } from "./build.js";
import type { TestRuntime, TestRuntimeOptions } from "./contracts.js";
import { createEnvironment } from "./environment.js";

/**
 * Makes a server inside the test: no port, no timers, no sleeping. The server starts with the first call that
 * needs a running server; if the first `init` throws, that call rejects with the thrown value.
 *
 * @throws SendallError `BAD_OPTION`
 */
export function createTestRuntime<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
>(options: TestRuntimeOptions<D, S, R, T>): TestRuntime<D> {
  return buildRuntime(options, 1, createEnvironment());
}
