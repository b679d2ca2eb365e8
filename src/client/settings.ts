/**
 * Reads the options of `connect` and `channel`: checks a program's options and makes settings before a client or a channel starts. The
 * settings last as long as the client or the channel. `options/server-options.ts` says why rows hold only literals and typed functions.
 */
import { isRecord } from "../options/kinds.js";
import { checkNames, checkOptionsObject, type NameRules, readSettings } from "../options/read-options.js";
import type { SettingsOf, TableFor } from "../options/table.js";
import type { ChannelOptions, ConnectOptions } from "./options.js";
import type { WebSocketClass } from "./socket.js";

/** A token of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** A field value of RFC 9110 section 5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** The headers that every handshake sets, once each (RFC 6455 section 4.1), and the headers of a body, which no handshake has. */
const HANDSHAKE = /^(?:connection|upgrade|sec-websocket-.*|content-length|transfer-encoding)$/i;

function areProtocols(value: unknown): boolean {
  const names: unknown[] = Array.isArray(value) ? value : [value];
  return new Set(names).size === names.length && names.every((name) => typeof name === "string" && TOKEN.test(name));
}

function areHeaders(value: unknown): boolean {
  return (
    isRecord(value) &&
    Object.entries(value).every(
      ([name, text]) => TOKEN.test(name) && !HANDSHAKE.test(name) && typeof text === "string" && FIELD_VALUE.test(text),
    )
  );
}

const connectTable = {
  protocols: {
    expected: "the name of a subprotocol, a token of HTTP, or an array of different names",
    accepts: (value: unknown): value is string | readonly string[] => areProtocols(value),
    default: [],
  },
  headers: {
    expected: "an object of header names and strings, without the headers of the handshake itself",
    accepts: (value: unknown): value is Readonly<Record<string, string>> => areHeaders(value),
  },
  onOpen: { kind: "function" },
  onMessage: { kind: "function" },
  onClose: { kind: "function" },
  onError: { kind: "function" },
  reconnect: {
    or: [false],
    expected: "an object, or false",
    group: {
      // `setTimeout` counts in 32 bits.
      minMs: {
        kind: "ms",
        max: 2_147_483_647,
        expected: "a whole number of milliseconds from 0",
        min: 0,
        default: 1_000,
      },
      maxMs: {
        kind: "ms",
        max: 2_147_483_647,
        expected: "a whole number of milliseconds from 0",
        min: 0,
        default: 10_000,
      },
      factor: { kind: "number", min: 1, default: 2 },
      jitter: { kind: "number", min: 0, max: 1, default: 1 },
      attempts: {
        expected: "a whole number from 0, or Infinity",
        accepts: (value: unknown): value is number =>
          value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) >= 0),
        default: Number.POSITIVE_INFINITY as number,
      },
    },
  },
  offline: { group: { maxMessages: { kind: "whole", min: 0, default: 256 } } },
  WebSocket: {
    expected: "a class",
    accepts: (value: unknown): value is WebSocketClass => typeof value === "function",
  },
} as const;

const channelTable = {
  onOpen: { kind: "function" },
  onMessage: { kind: "function" },
  onClose: { kind: "function" },
  onError: { kind: "function" },
} as const;

/** The options of a client, checked and complete. */
export interface ClientSettings extends Omit<SettingsOf<ConnectOptions, typeof connectTable>, "protocols"> {
  readonly protocols: readonly string[];
}

/** The first mistake in the order of the program's object counts, mistakes in groups after the rest. */
const rules: NameRules = {
  translations: {
    reconnection: "use reconnect: false",
    reconnectionDelay: "use reconnect: { minMs }",
    reconnectionDelayMax: "use reconnect: { maxMs }",
    reconnectionAttempts: "use reconnect: { attempts }",
    randomizationFactor: "use reconnect: { jitter }",
    minReconnectionDelay: "use reconnect: { minMs }",
    maxReconnectionDelay: "use reconnect: { maxMs }",
    reconnectionDelayGrowFactor: "use reconnect: { factor }",
    maxRetries: "use reconnect: { attempts }",
    maxEnqueuedMessages: "use offline: { maxMessages }",
    extraHeaders: "use headers",
  },
  withValues: true,
};

/** Checks the options of a client and fills in defaults; throws `BAD_OPTION`. */
export function readConnectOptions(options: ConnectOptions): ClientSettings {
  checkOptionsObject(options);
  checkNames({ options }, connectTable, rules);
  const { reconnect, offline } = connectTable;
  if (options.reconnect) checkNames({ options: options.reconnect }, reconnect.group, rules, "reconnect.");
  if (options.offline) checkNames({ options: options.offline }, offline.group, rules, "offline.");
  const settings = readSettings<ConnectOptions, typeof connectTable>(connectTable, { options });
  const { protocols } = settings;
  return { ...settings, protocols: typeof protocols === "string" ? [protocols] : [...protocols] };
}

/** Checks the options of a channel; throws `BAD_OPTION`. */
export function readChannelOptions(options: ChannelOptions): ChannelOptions {
  checkOptionsObject(options);
  checkNames({ options }, channelTable satisfies TableFor<ChannelOptions, typeof channelTable>, rules);
  return options;
}
