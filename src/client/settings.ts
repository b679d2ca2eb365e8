/**
 * Reads the options of `connect` and `channel`: checks a program's options and makes settings before a client or a channel starts. The
 * settings last as long as the client or the channel. The reader is smaller than the reader of a server's options, since pages load the
 * client: every row brings its own check, and an unknown option is answered with the list of options.
 */
import { isSessionName } from "../api/session-protocol.js";
import { isRecord } from "../options/kinds.js";
import { attempt } from "./attempt.js";
import type { ChannelOptions, ClientHeaders, ConnectOptions, OfflineOptions, ReconnectOptions } from "./options.js";
import { refuse } from "./texts.js";

/** What an option accepts, and the value of a missing option; the rows of a group. `texts.ts` has the words. */
type Row<V> = readonly [accepts: (value: unknown) => unknown, fallback?: V, group?: Rows<object>];
/** A row for each option. */
type Rows<O> = { readonly [K in keyof Required<O>]: Row<O[K]> };

/** The longest wait of a native timer, which counts in 32 bits. */
const MAX_MS = 2_147_483_647;

/** Subprotocols are tokens, as the names of headers are (RFC 6455 section 4.1). */
function areProtocols(value: unknown): boolean {
  const names: unknown[] = [value].flat();
  return (
    new Set(names).size === names.length &&
    names.every((name) => typeof name === "string" && !isSessionName(name) && attempt(() => new Headers([[name, ""]])))
  );
}

/** `Headers` takes what RFC 9110 section 5 allows as names and values. A `Map`, or `Headers` itself, would show none of its own. */
function areHeaders(value: unknown): unknown {
  return (
    isRecord(value) &&
    !(Symbol.iterator in value) &&
    Object.values(value).every((text) => typeof text === "string") &&
    attempt(() => new Headers(value as ClientHeaders))
  );
}

export function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

/** A row for a number between bounds, both included. @param round leaves the numbers as they are that are accepted */
function number(fallback: number, min: number, max: number, round = Number): Row<number> {
  return [(value) => round(value) === value && value >= min && value <= max, fallback];
}

/** A row for a whole number from 0, or infinity if `max` allows. */
function whole(fallback: number, max = Number.POSITIVE_INFINITY): Row<number> {
  return number(fallback, 0, max, Math.floor as NumberConstructor);
}

const callback = [isFunction] as const;
const channelRows: Rows<ChannelOptions> = {
  onOpen: callback,
  onMessage: callback,
  onClose: callback,
  onError: callback,
};

const reconnectRows: Rows<ReconnectOptions> = {
  minMs: whole(1_000, MAX_MS),
  maxMs: whole(10_000, MAX_MS),
  factor: number(2, 1, 1e300),
  jitter: number(1, 0, 1),
  attempts: whole(Number.POSITIVE_INFINITY),
};

const offlineRows: Rows<OfflineOptions> = { maxMessages: whole(256), maxBytes: whole(1_048_576) };

const connectRows: Rows<ConnectOptions> = {
  protocols: [areProtocols, []],
  headers: [(value) => isFunction(value) || areHeaders(value)],
  session: [(value) => typeof value === "boolean", true],
  ...channelRows,
  reconnect: [(value) => value === false || isRecord(value), {}, reconnectRows],
  offline: [isRecord, {}, offlineRows],
  WebSocket: callback,
};

/** Checks options against rows, and fills in defaults. @param at the name of the group, and a dot */
function read(rows: Rows<object>, options: unknown, at = ""): Record<string, unknown> {
  if (!isRecord(options)) refuse("options", options);
  const settings: Record<string, unknown> = {};
  for (const key in { ...rows, ...options }) {
    const row = Object.hasOwn(rows, key) && (rows as Readonly<Record<string, Row<unknown>>>)[key];
    const [accepts, fallback, group] = row || refuse(at + key, undefined, undefined, rows, at);
    const given = options[key];
    if (given !== undefined && !accepts(given)) refuse(at + key, given);
    const value = given ?? fallback;
    settings[key] = group && value ? read(group, value, `${key}.`) : value;
  }
  return settings;
}

/** Options with a default. */
type Complete<O> = { readonly [K in keyof Required<O>]: Exclude<O[K], undefined> };

/** The options of a client, checked and complete. */
export interface ClientSettings extends Pick<ConnectOptions, keyof ChannelOptions | "headers" | "WebSocket"> {
  readonly protocols: readonly string[];
  readonly session: boolean;
  readonly reconnect: Complete<ReconnectOptions> | false;
  readonly offline: Complete<OfflineOptions>;
}

/** Checks the options of a client and fills in defaults; throws `BAD_OPTION`. */
export function readConnectOptions(options: ConnectOptions): ClientSettings {
  const settings = read(connectRows, options);
  // The compiler cannot follow the loop; `Rows` asks for a row for every option, with a default of the option's type.
  return { ...settings, protocols: [settings.protocols].flat() } as unknown as ClientSettings;
}

/** Checks the options of a channel; throws `BAD_OPTION`. */
export function readChannelOptions(options: ChannelOptions): ChannelOptions {
  return read(channelRows, options);
}

/** Throws `BAD_OPTION` unless the value is an object of headers, or `undefined`. */
export function checkHeaders(value: unknown): asserts value is ClientHeaders | undefined {
  if (!areHeaders(value ?? {})) refuse("headers", value);
}
