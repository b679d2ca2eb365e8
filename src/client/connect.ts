/**
 * `connect`: the composition root of the client. Checks the options, chooses the socket class of the runtime and starts a
 * {@link Client}.
 */
import type { ProtocolSpec } from "../protocol/spec.js";
import { checkUrl, clockOf, isFunction } from "./arguments.js";
import { failureOf } from "./callbacks.js";
import type { AnyClient } from "./client.js";
import { createClient } from "./create-client.js";
import type { ClientAddress, ClientHeaders, ConnectOptions } from "./options.js";
import { checkHeaders, readConnectOptions } from "./settings.js";
import type { Dialing, SocketFactory } from "./socket.js";
import { IS_WORDY, refuse } from "./texts.js";
import type { AnyConnectOptions } from "./typed.js";
import type { WebSocketClass, WebSocketLike } from "./web-socket.js";
import { offersOf } from "./wire.js";

/** What tells the runtimes apart. Values count, not presence: a program may set a missing global to `undefined`. */
interface Globals {
  readonly WebSocket?: WebSocketClass;
  readonly document?: unknown;
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/** A class of a page, or the class of Node, which takes more. */
type SocketClass = new (url: string, protocols: string[], headers?: ClientHeaders, isAsked?: boolean) => WebSocketLike;

/**
 * Connects to a WebSocket server (RFC 6455), and reconnects after each lost connection, until `close` is called, the server answers
 * that reconnecting is of no use, or `reconnect.attempts` is spent. Works in browsers, Node, Deno and Bun.
 *
 * A Sendall server is the default; for any other server give `session: false`. Until it is closed, a client keeps a Node process alive,
 * either by its socket or by the timer for the next attempt.
 *
 * @param url `ws://`, `wss://`, `http://` or `https://`; in a page also a URL relative to the page, with a test runtime's class also a
 * path. A function, asked at each attempt, may return the URL or a promise of it: for a token that expires. If the function fails, the
 * attempt has failed.
 * @param options see {@link ConnectOptions}
 * @throws SendallError `BAD_OPTION`, whose message begins with the option's dotted name (`url` for the address)
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { connect } from "sendall/client";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler: (event) => event.type === "message" && event.connection.send(event.data),
 * });
 * const client = connect(server.url, {
 *   onMessage(data) {
 *     console.log(data); // hello
 *     client.close();
 *   },
 *   onClose: ({ willRetry }) => willRetry || server.close(),
 * });
 * client.send("hello"); // waits for the connection
 * ```
 */
export function connect<S extends ProtocolSpec = never>(
  url: ClientAddress | (() => ClientAddress | Promise<ClientAddress>),
  options: AnyConnectOptions<S> = {},
): AnyClient<S> {
  const settings = readConnectOptions(options as ConnectOptions);
  const { headers, protocols, session, WebSocket: given } = settings;
  const { WebSocket: own, document, process } = globalThis as Globals;
  const Class = given ?? own;
  const check = (address: unknown): string => checkUrl(address, given);
  const known = isFunction(url) ? "" : check(url);
  const offers = session ? offersOf(protocols) : protocols;
  // A page in Electron has a `document` as well as Node, and must use the page's own sockets, with the page's cookies and proxy. The
  // simulated page of a test may have a `document` without sockets.
  const isNode = !given && process?.versions?.node && !(document && own);
  if (!isNode && headers) refuse("headers", headers);
  if (!isNode && !isFunction(Class)) refuse("WebSocket", Class);
  const isAsked = !known || isFunction(headers);
  const dialing = (
    address: string,
    Socket: SocketClass,
    resume: readonly string[],
    fields?: ClientHeaders,
  ): Dialing => ({
    ...(IS_WORDY && { url: address }),
    // Other classes than Node's are given no headers.
    create: () => new Socket(address, [...offers, ...resume], fields, isAsked),
  });
  const dial = async (resume: readonly string[]): Promise<Dialing> => {
    let Socket = Class as SocketClass;
    const address = check(await ask("url", url));
    const fields = await ask("headers", headers);
    checkHeaders(fields);
    try {
      if (isNode) ({ DialedSocket: Socket } = await import("./node-socket.js"));
    } catch (error) {
      // A runtime that only resembles Node (Cloudflare's workers), and a copy of the client's single file, have no `ws`.
      if (headers || !own) throw error;
    }
    return dialing(address, Socket, resume, fields);
  };
  const factory: SocketFactory = (resume) =>
    known && !isNode ? dialing(known, Class as SocketClass, resume) : dial(resume);
  return createClient(settings, factory, clockOf(given), known) as AnyClient<S>;
}

/** A value, or what a function of the user returns. */
async function ask(name: string, asked: unknown): Promise<unknown> {
  try {
    return isFunction(asked) ? await asked() : asked;
  } catch (thrown) {
    throw failureOf(name, thrown);
  }
}
