/** The options of `runtime.dial`: public types, checks, and the parts for `connect` and for the request. Read once for each dialled client. */
import type { AnyConnectOptions } from "../../client/typed.js";
import { checkNames, checkOptionsObject, refuseOption } from "../../options/read-options.js";
import type { TableFor } from "../../options/table.js";
import type { ProtocolSpec } from "../../protocol/spec.js";
import { show } from "../../runtime/show.js";
import { LOOPBACK } from "./client-request.js";
import { requestUrl } from "./request-url.js";

/** The headers of a request by name. */
type RequestHeaders = Readonly<Record<string, string>>;

/**
 * The options of a dialled client: the options of `connect` of `sendall/client`, except `WebSocket`, and the request of a test client. With
 * a protocol of the spec `S` a typed client is dialled.
 */
export interface DialOptions<S extends ProtocolSpec = never>
  extends Omit<AnyConnectOptions<S>, "WebSocket" | "headers"> {
  /** The query that follows the path, not yet encoded. Default none. */
  readonly query?: Readonly<Record<string, string>>;
  /** The headers of each request, or a function that gives the headers at each attempt to connect. Default: `host` alone. */
  readonly headers?: RequestHeaders | (() => RequestHeaders | Promise<RequestHeaders>);
  /** The client's address. Default `"127.0.0.1"`. */
  readonly remoteAddress?: string;
  /** The client's name in error messages and traces, beside the id of the present connection. Default: the id alone. */
  readonly name?: string;
}

/** What a dialled client's requests have in addition to those of a browser's `WebSocket`. */
export interface DialRequest {
  readonly name: string | undefined;
  /** Who dials, for traces and error messages, if the client has no name. */
  readonly caller?: string;
  readonly remoteAddress: string;
  /** Called at each attempt. */
  headers(): RequestHeaders | Promise<RequestHeaders>;
}

/** The request of a socket of `runtime.WebSocket`: browsers' sockets choose neither name nor address nor headers. */
export const SOCKET_REQUEST: DialRequest = { name: undefined, remoteAddress: LOOPBACK, headers: () => ({}) };

/** `connect` checks the values of its options; a test may give any value for the rest. */
const dialTable = {
  query: { kind: "unchecked" },
  headers: { kind: "unchecked" },
  remoteAddress: { kind: "unchecked" },
  name: { kind: "unchecked" },
  protocols: { kind: "unchecked" },
  session: { kind: "unchecked" },
  protocol: { kind: "unchecked" },
  on: { kind: "unchecked" },
  calls: { kind: "unchecked" },
  onOpen: { kind: "unchecked" },
  onMessage: { kind: "unchecked" },
  onClose: { kind: "unchecked" },
  onError: { kind: "unchecked" },
  reconnect: { kind: "unchecked" },
  offline: { kind: "unchecked" },
} as const;

/** How a client is dialled. */
export interface Dialling {
  readonly url: string;
  readonly request: DialRequest;
  /** The options for `connect`. */
  readonly connectOptions: Omit<AnyConnectOptions<never>, "WebSocket" | "headers">;
}

/** Throws `BAD_OPTION` for a wrong path or an unknown option. */
export function readDialling(path: string, options: DialOptions): Dialling {
  if (typeof path !== "string" || !path.startsWith("/") || path.includes("#"))
    refuseOption("path", `expected a path that begins with "/" and has no fragment, got ${show(path)}`);
  checkOptionsObject(options);
  checkNames({ options }, dialTable satisfies TableFor<DialOptions, typeof dialTable>, {
    translations: { WebSocket: "a dialled client has the socket class of its runtime" },
  });
  const { query, headers = {}, remoteAddress = LOOPBACK, name, ...connectOptions } = options as DialOptions;
  return {
    url: `ws://memory${requestUrl(path, query)}`,
    request: { name, remoteAddress, headers: typeof headers === "function" ? headers : () => headers },
    connectOptions,
  };
}
