/** Reads the options of `server.close`. */
import { type CloseReason, checkCloseCode, cutReason, GOING_AWAY } from "../api/close-codes.js";
import type { CloseOptions } from "../api/options.js";
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";

const closeTable = {
  drainMs: { kind: "ms", min: 0, default: 5_000 },
  // The functions for close frames check the code and cut the reason.
  code: { kind: "unchecked", default: GOING_AWAY.code },
  reason: { kind: "unchecked", default: GOING_AWAY.reason },
} as const;

function refuseConnection(got: string, call: string): never {
  const problem = `expected { drainMs, code, reason }, got ${got}: close of a server closes the server`;
  refuseOption("options", `${problem}; ${call} closes a connection`);
}

/** Checks the options of `server.close`; throws `BAD_OPTION` or `BAD_CLOSE_CODE`. */
export function readCloseOptions(options: CloseOptions): CloseReason & { readonly drainMs: number } {
  // The bus has a `close` for connections, and the server has the other verbs of the bus.
  if (typeof options === "string") refuseConnection(show(options), "server.route(path).close(id)");
  checkOptionsObject(options);
  if ("id" in options) refuseConnection("a connection", "connection.close(code, reason)");
  checkNames({ options }, closeTable);
  const { drainMs, code, reason } = readSettings<CloseOptions, typeof closeTable>(closeTable, { options });
  checkCloseCode(code);
  return { drainMs, code, reason: cutReason(reason) };
}
