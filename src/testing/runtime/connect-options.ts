/** Reads the options of a test client's `connect`. */
import { checkDuration } from "../../actors/route/checks.js";
import { checkNames, checkOptionsObject, readSettings } from "../../options/read-options.js";
import type { SettingsOf } from "../../options/table.js";
import type { Protocol } from "../../protocol/protocol.js";
import type { TestConnectOptions, TypedTestConnectOptions } from "./contracts.js";

/** The options of `connect`, with and without a protocol. */
export type AnyTestConnectOptions = TestConnectOptions & Partial<Pick<TypedTestConnectOptions, "protocol">>;

/** A test may give any value, also values which no real client could send. Only `protocol` is checked, and `latencyMs`, by {@link checkDuration}. */
const connectTable = {
  path: { kind: "unchecked", default: "/" },
  query: { kind: "unchecked" },
  headers: { kind: "unchecked", default: {} },
  protocols: { kind: "unchecked", default: [] },
  remoteAddress: { kind: "unchecked", default: "127.0.0.1" },
  name: { kind: "unchecked" },
  latencyMs: { kind: "unchecked", default: 0 },
  onMessage: { kind: "unchecked" },
  protocol: {
    expected: "what protocol() of sendall/protocol returns (subprotocols go into protocols)",
    accepts: (value: unknown): value is Protocol =>
      typeof (value as Partial<Protocol> | undefined)?.["~sendall"]?.createClient === "function",
  },
} as const;

/** Checks the options of a test client and fills in defaults; throws `BAD_OPTION` or `BAD_DURATION`. */
export function readTestConnectOptions(
  options: AnyTestConnectOptions,
): SettingsOf<AnyTestConnectOptions, typeof connectTable> {
  checkOptionsObject(options, 'an object such as { path: "/chat" }');
  checkNames({ options }, connectTable);
  const settings = readSettings<AnyTestConnectOptions, typeof connectTable>(connectTable, { options });
  checkDuration("latencyMs", settings.latencyMs);
  return settings;
}
