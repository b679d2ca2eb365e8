/** The composition root of the test runtime: builds the surroundings of one server and what a test drives the server with. */
import type { ConnectionData } from "../../api/connection.js";
import { buildRuntime } from "./build.js";
import type { TestRuntime, TestRuntimeOptions } from "./contracts.js";
import { createWorld } from "./steps.js";

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
