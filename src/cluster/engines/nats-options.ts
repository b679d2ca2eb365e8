/** The options of `nats()` and `jetstream()`, and the reader of the options. Names types of the client only, and loads nothing. */
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { MAX_NATIVE_MS } from "../../options/kinds.js";
import { readSettings } from "../../options/read-options.js";
import { checkAdapterOptions, checkOwnSpelling, linkTable } from "./adapter-setup.js";

/** What `nats` takes: the connection options of `@nats-io/transport-node`, and two more. */
export interface NatsOptions extends NodeConnectionOptions {
  /** Begins every subject: programs with different prefixes do not hear each other. Default `"sendall"`. */
  readonly prefix?: string;
  /** Whether `serve` resolves before the engine is reached; until then the server is not ready. Default `false`. */
  readonly waitForLink?: boolean;
}

function areServers(servers: unknown): servers is string | string[] {
  const list: unknown[] = Array.isArray(servers) ? servers : [servers];
  return list.length > 0 && list.every((server) => typeof server === "string" && server.trim() !== "");
}

const natsTable = {
  ...linkTable,
  // Without an address the client would connect to an engine on this machine.
  servers: { expected: "the address of an engine, or a list of them", accepts: areServers, required: true },
  // The waits become native timers of the client.
  pingInterval: { kind: "ms", max: MAX_NATIVE_MS },
  timeout: { kind: "ms", max: MAX_NATIVE_MS },
  reconnectTimeWait: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitter: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitterTLS: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
} as const;

/** Options of the client with a row in the table. The client checks further options. */
type ClientOption =
  | "servers"
  | "pingInterval"
  | "timeout"
  | "reconnectTimeWait"
  | "reconnectJitter"
  | "reconnectJitterTLS";
type CheckedOptions = Omit<NatsOptions, Exclude<keyof NodeConnectionOptions, ClientOption>>;

/** Checks Sendall's own options, and the waits of the client; throws `BAD_OPTION`. @returns the options of the client too, as `given` */
export function readNatsOptions(options: NatsOptions): {
  readonly prefix: string;
  readonly waitForLink: boolean;
  readonly given: NodeConnectionOptions;
} {
  checkAdapterOptions(options, '{ servers: "nats://127.0.0.1:4222" }');
  checkOwnSpelling(options, ["servers", ...Object.keys(linkTable)]);
  const { prefix, waitForLink } = readSettings<CheckedOptions, typeof natsTable>(natsTable, { options });
  const { prefix: _prefix, waitForLink: _waitForLink, ...given } = options;
  return { prefix, waitForLink, given };
}
