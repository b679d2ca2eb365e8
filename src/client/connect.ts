/**
 * `connect`: the composition root of the client. Checks the options, chooses the socket class of the runtime and starts a
 * {@link Client}.
 */
import { refuseOption } from "../options/read-options.js";
import { checkUrl, clockOf } from "./arguments.js";
import { failureOf } from "./callbacks.js";
import { type Client, ReconnectingClient } from "./client.js";
import type { ClientAddress, ClientHeaders, ConnectOptions } from "./options.js";
import { type ClientSettings, checkHeaders, readConnectOptions } from "./settings.js";
import type { Dialing, WebSocketClass, WebSocketLike } from "./socket.js";
import { offersOf } from "./wire.js";

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
 */
export function connect(
  url: ClientAddress | (() => ClientAddress | Promise<ClientAddress>),
  options: ConnectOptions = {},
): Client {
  const settings = readConnectOptions(options);
  const { headers, WebSocket: Class } = settings;
  const check = (address: unknown): string => checkUrl(address, Class !== undefined);
  const known = typeof url === "function" ? "" : check(url);
  const dialer = dialerFor(settings);
  const dial = async (making: CreateSocket | Promise<CreateSocket>): Promise<Dialing> => {
    const create = await making;
    const address = typeof url === "function" ? check(await ask("url", url)) : known;
    const fields = typeof headers === "function" ? await ask("headers", headers) : headers;
    checkHeaders(fields);
    return { url: address, create: () => create(address, fields) };
  };
  const factory = (): Dialing | Promise<Dialing> => {
    const create = dialer();
    return known && typeof create === "function" ? { url: known, create: () => create(known) } : dial(create);
  };
  return new ReconnectingClient({ url: known, settings, factory, clock: clockOf(Class) });
}

/** Asks a function of the user. */
async function ask<T>(name: string, asked: () => T | Promise<T>): Promise<T> {
  try {
    return await asked();
  } catch (thrown) {
    throw failureOf(name, thrown);
  }
}

type CreateSocket = (url: string, headers?: ClientHeaders) => WebSocketLike;

/** How to find out how to make a socket: at once, or once the class of sockets is loaded. */
type Dialer = () => CreateSocket | Promise<CreateSocket>;

function dialerFor({ protocols, headers, session, WebSocket: Class }: ClientSettings): Dialer {
  const offers = session ? offersOf(protocols) : [...protocols];
  // Values of globals count, not their presence: a program may set a missing global to `undefined`.
  const { WebSocket: own, document, process } = globalThis as Globals;
  const Chosen = Class ?? own;
  const create: CreateSocket = (url) => new (Chosen as WebSocketClass)(url, offers);
  // A page in Electron has a `document` as well as Node, and must use the page's own sockets, with the page's cookies and proxy. The
  // simulated page of a test may have a `document` without sockets.
  if (!Class && process?.versions?.node && !(document && own)) {
    return async () => {
      try {
        const { DialedSocket } = await import("./node-socket.js");
        return (url, fields = {}) => new DialedSocket(url, offers, fields);
      } catch (error) {
        // A runtime that only resembles Node (Cloudflare's workers), and a copy of the client's single file, have no `ws`.
        if (headers || !own) throw error;
        return create;
      }
    };
  }
  if (headers) refuseOption("headers", "only the default WebSocket class of Node can send headers");
  if (typeof Chosen !== "function")
    refuseOption("WebSocket", "expected a class, since there is no WebSocket class here");
  return () => create;
}

/** What tells the runtimes apart. */
interface Globals {
  readonly WebSocket?: WebSocketClass;
  readonly document?: unknown;
  readonly process?: { readonly versions?: { readonly node?: string } };
}
