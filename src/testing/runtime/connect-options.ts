/** Reads the options of a test client's `connect`. */
import { checkDuration } from "../../actors/route/checks.js";
import { checkNames, readSettings } from "../../options/read-options.js";
import type { SettingsOf } from "../../options/table.js";
import type { TestConnectOptions } from "./contracts.js";

/** A test may give any value, also values which no real client could send. Only `latencyMs` is checked, by {@link checkDuration}. */
const connectTable = {
  path: { kind: "unchecked", default: "/" },
  query: { kind: "unchecked" },
  headers: { kind: "unchecked", default: {} },
  protocols: { kind: "unchecked", default: [] },
  remoteAddress: { kind: "unchecked", default: "127.0.0.1" },
  name: { kind: "unchecked" },
  latencyMs: { kind: "unchecked", default: 0 },
  onMessage: { kind: "unchecked" },
} as const;

/** Checks the options of a test client and fills in defaults; throws `BAD_OPTION` or `BAD_DURATION`. */
export function readTestConnectOptions(
  options: TestConnectOptions,
): SettingsOf<TestConnectOptions, typeof connectTable> {
  checkNames({ options }, connectTable);
  const settings = readSettings<TestConnectOptions, typeof connectTable>(connectTable, { options });
  checkDuration("latencyMs", settings.latencyMs);
  return settings;
}
