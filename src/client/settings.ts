/**
 * Reads the options of `connect` and `channel`: checks a program's options and makes settings before a client or a channel starts. The
 * settings last as long as the client or the channel. The reader is smaller than the reader of a server's options, since pages load the
 * client: every row brings its own check, and an unknown option is answered with the list of options.
 */
import { isRecord } from "../options/kinds.js";
import { refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";
import { attempt } from "./attempt.js";
import type { ChannelOptions, ClientHeaders, ConnectOptions, OfflineOptions, ReconnectOptions } from "./options.js";
import { isReserved } from "./wire.js";

/** What an option accepts, in words and as a check, and the value of a missing option; the rows of a group. */
type Row<V> = readonly [expected: string, accepts: (value: unknown) => boolean, fallback?: V, group?: Rows<object>];
/** A row for each option. */
type Rows<O> = { readonly [K in keyof Required<O>]: Row<O[K]> };

/** A token of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** The headers that every handshake sets, once each (RFC 6455 section 4.1), and the headers of a body, which no handshake has. */
const HANDSHAKE = /^(?:connection|upgrade|sec-websocket-.*|content-length|transfer-encoding)$/i;
/** The longest wait of a native timer, which counts in 32 bits. */
const MAX_MS = 2_147_483_647;

function areProtocols(value: unknown): boolean {
  const names: unknown[] = Array.isArray(value) ? value : [value];
  return (
    new Set(names).size === names.length &&
    names.every((name) => typeof name === "string" && TOKEN.test(name) && !isReserved(name))
  );
}

/** `Headers` takes what RFC 9110 section 5 allows as names and values. */
function areHeaders(value: unknown): boolean {
  return (
    isRecord(value) &&
    Object.entries(value).every(([name, text]) => typeof text === "string" && !HANDSHAKE.test(name)) &&
    attempt(() => new Headers(value as ClientHeaders)) !== undefined
  );
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isNumber(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && value >= min && value <= max;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && isNumber(value, 0, Number.MAX_SAFE_INTEGER);
}

function isWait(value: unknown): boolean {
  return isCount(value) && isNumber(value, 0, MAX_MS);
}

const COUNT = "a whole number from 0";
const WAIT = "a whole number of milliseconds from 0";
const HEADERS = "an object of strings, without the headers of the handshake itself";
const callback = ["a function", isFunction] as const;

const channelRows: Rows<ChannelOptions> = {
  onOpen: callback,
  onMessage: callback,
  onClose: callback,
  onError: callback,
};

const reconnectRows: Rows<ReconnectOptions> = {
  minMs: [WAIT, isWait, 1_000],
  maxMs: [WAIT, isWait, 10_000],
  factor: ["a number from 1", (value) => isNumber(value, 1, Number.MAX_VALUE), 2],
  jitter: ["a number from 0 to 1", (value) => isNumber(value, 0, 1), 1],
  attempts: [`${COUNT}, or Infinity`, (value) => value === Number.POSITIVE_INFINITY || isCount(value), 1 / 0],
};

const offlineRows: Rows<OfflineOptions> = { maxMessages: [COUNT, isCount, 256], maxBytes: [COUNT, isCount, 1_048_576] };

const connectRows: Rows<ConnectOptions> = {
  protocols: ["the name of a subprotocol, or an array of different names", areProtocols, []],
  headers: [HEADERS, (value) => isFunction(value) || areHeaders(value)],
  session: ["true or false", (value) => typeof value === "boolean", true],
  ...channelRows,
  reconnect: ["an object, or false", (value) => value === false || isRecord(value), {}, reconnectRows],
  offline: ["an object", isRecord, {}, offlineRows],
  WebSocket: ["a class", isFunction],
};

/** Checks options against rows, and fills in defaults. @param at the name of the group, and a dot */
function read(rows: Rows<object>, options: unknown, at = ""): Record<string, unknown> {
  if (!isRecord(options)) refuse("options", "an object", options);
  for (const key of Object.keys(options))
    if (!Object.hasOwn(rows, key)) {
      const names = Object.keys(rows).map((name) => at + name);
      refuseOption(at + key, `unknown option: the options are ${names.join(", ")}`);
    }
  const settings: Record<string, unknown> = {};
  for (const [key, [expected, accepts, fallback, group]] of Object.entries(
    rows as Readonly<Record<string, Row<unknown>>>,
  )) {
    const given = options[key];
    if (given !== undefined && !accepts(given)) refuse(at + key, expected, given);
    const value = given === undefined ? fallback : given;
    settings[key] = group && value ? read(group, value, `${key}.`) : value;
  }
  return settings;
}

function refuse(name: string, expected: string, value: unknown): never {
  refuseOption(name, `expected ${expected}, got ${show(value)}`);
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
  if (value !== undefined && !areHeaders(value)) refuse("headers", HEADERS, value);
}
