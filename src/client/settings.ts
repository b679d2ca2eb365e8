/**
 * Reads the options of `connect` and `channel`: checks a program's options and makes settings before a client or a channel starts. The
 * settings last as long as the client or the channel. The reader is smaller than the reader of a server's options, since pages load the
 * client: every row brings its own check, and an unknown option is answered with the list of options.
 */
import { isSessionName } from "../api/session-protocol.js";
import { isRecord } from "../options/kinds.js";
import { isFunction } from "./arguments.js";
import { attempt } from "./attempt.js";
import type { ChannelSettings } from "./client-protocol.js";
import type { ChannelOptions, ClientHeaders, ConnectOptions, OfflineOptions, ReconnectOptions } from "./options.js";
import { IS_WORDY, refuse, refuseUnknown } from "./texts.js";

/** Checks the value of an option, and makes the setting. `name` is for errors; `texts.ts` has the words. */
type Row = (value: unknown, name: string) => unknown;
/** A row for each option. */
type Rows<O> = { readonly [K in keyof Required<O>]: Row };

/** The longest wait of a native timer, which counts in 32 bits. */
const MAX_MS = 2_147_483_647;

type Accepts = (value: unknown) => unknown;

/** Subprotocols are tokens, as the names of headers are (RFC 6455 section 4.1). The smallest build leaves that to the sockets. */
function areProtocols(names: readonly unknown[]): boolean {
  if (!IS_WORDY) return names.every((name) => !isSessionName(name as string));
  const isToken = (name: string): unknown => attempt(() => new Headers([[name, ""]]));
  return (
    new Set(names).size === names.length &&
    names.every((name) => typeof name === "string" && !isSessionName(name) && isToken(name))
  );
}

/**
 * `Headers` takes what RFC 9110 section 5 allows as names and values. A `Map`, or `Headers` itself, would show none of its own. The smallest
 * build, which is for pages, leaves that to the sockets of Node.
 */
const areHeaders: Accepts = IS_WORDY
  ? (value) =>
      isRecord(value) &&
      !(Symbol.iterator in value) &&
      Object.values(value).every((text) => typeof text === "string") &&
      attempt(() => new Headers(value as ClientHeaders))
  : isRecord;

/** @param fallback the value of a missing option, which is accepted */
function row(accepts: Accepts, fallback?: unknown): Row {
  return (value = fallback, name) => (accepts(value) ? value : refuse(name, value));
}

/** A row for a number between bounds, both included. @param round leaves alone what is accepted; default: whole numbers */
function number(fallback: number, max = Number.POSITIVE_INFINITY, min = 0, round = Math.floor): Row {
  return row((value) => round(value as number) === value && value >= min && value <= max, fallback);
}

const callback = row((value) => value === undefined || isFunction(value));
const group = IS_WORDY ? row((value) => value === undefined || isRecord(value)) : (value: unknown) => value;
const channelRows: Rows<ChannelSettings> = {
  protocol: row((value) => value === undefined || Object(value)["~sendall"]),
  on: group,
  calls: group,
  onOpen: callback,
  onMessage: callback,
  onClose: callback,
  onError: callback,
};

const reconnectRows: Rows<ReconnectOptions> = {
  minMs: number(1_000, MAX_MS),
  maxMs: number(10_000, MAX_MS),
  factor: number(2, 1e300, 1, Number),
  jitter: number(1, 1, 0, Number),
  attempts: number(Number.POSITIVE_INFINITY),
};

const offlineRows: Rows<OfflineOptions> = { maxMessages: number(256), maxBytes: number(1_048_576) };

const connectRows: Rows<ConnectOptions & ChannelSettings> = {
  protocols: (value = [], name) => row(areProtocols as Accepts)([value].flat(), name),
  headers: row((value) => value === undefined || isFunction(value) || areHeaders(value)),
  session: row((value) => value === !!value, true),
  ...channelRows,
  reconnect: (value = {}, name) => value !== false && read(reconnectRows, value, name),
  offline: (value = {}, name) => read(offlineRows, value, name),
  WebSocket: callback,
};

/** Checks options against rows, and fills in defaults. @param group its name, for the options of a group */
function read(rows: Rows<object>, options: unknown, group = ""): Record<string, unknown> {
  if (!isRecord(options)) refuse(group || "options", options);
  const settings: Record<string, unknown> = {};
  for (const key in { ...rows, ...options }) {
    const name = (group && `${group}.`) + key;
    const make = (!IS_WORDY || Object.hasOwn(rows, key)) && (rows as Readonly<Record<string, Row>>)[key];
    settings[key] = (make || refuseUnknown(name, rows, group))(options[key], name);
  }
  return settings;
}

/** Options with a default. */
type Complete<O> = { readonly [K in keyof Required<O>]: Exclude<O[K], undefined> };

/** The options of a client, checked and complete. */
export interface ClientSettings extends ChannelSettings, Pick<ConnectOptions, "headers" | "WebSocket"> {
  readonly protocols: readonly string[];
  readonly session: boolean;
  readonly reconnect: Complete<ReconnectOptions> | false;
  readonly offline: Complete<OfflineOptions>;
}

/** Checks the options of a client and fills in defaults; throws `BAD_OPTION`. */
export function readConnectOptions(connectOptions: ConnectOptions): ClientSettings {
  // The compiler cannot follow the loop; `Rows` asks for a row for every option.
  return read(connectRows, connectOptions) as unknown as ClientSettings;
}

/** Checks the options of a channel; throws `BAD_OPTION`. */
export function readChannelOptions(channelOptions: ChannelOptions): ChannelSettings {
  return read(channelRows, channelOptions);
}

/** Throws `BAD_OPTION` unless the value is an object of headers, or `undefined`. */
export function checkHeaders(value: unknown): asserts value is ClientHeaders | undefined {
  if (!areHeaders(value ?? {})) refuse("headers", value);
}
