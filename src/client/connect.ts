/**
 * `connect`: the composition root of the client. Checks the options, chooses the socket class of the runtime and starts a
 * {@link Client}.
 */
import { refuseOption } from "../options/read-options.js";
import { type Client, ReconnectingClient } from "./client.js";
import { type ConnectOptions, checkUrl, clockOf } from "./options.js";
import { type ClientSettings, readConnectOptions } from "./settings.js";
import type { SocketFactory, WebSocketClass } from "./socket.js";

/**
 * Connects to a WebSocket server (RFC 6455), and reconnects after each lost connection, until `close` is called, the server answers
 * that reconnecting is of no use, or `reconnect.attempts` is spent. Works in browsers, Node, Deno and Bun.
 *
 * Until it is closed, a client keeps a Node process alive, either by its socket or by the timer for the next attempt.
 *
 * @param url `ws://`, `wss://`, `http://` or `https://`; in a page also a URL relative to the page, with a test runtime's class also a path
 * @param options see {@link ConnectOptions}
 * @throws SendallError `BAD_OPTION`, whose message begins with the option's dotted name (`url` for the address)
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  const settings = readConnectOptions(options);
  const address = checkUrl(url, settings.WebSocket !== undefined);
  const factory = factoryFor(address, settings);
  return new ReconnectingClient({ url: address, settings, factory, clock: clockOf(settings.WebSocket) });
}

function factoryFor(url: string, settings: ClientSettings): SocketFactory {
  const { protocols, headers } = settings;
  const own: unknown = Reflect.get(globalThis, "WebSocket");
  if (settings.WebSocket === undefined && isNode(isSocketClass(own))) {
    return async () => {
      try {
        const { DialedSocket } = await import("./node-socket.js");
        return () => new DialedSocket(url, protocols, headers ?? {});
      } catch (error) {
        // A runtime that only resembles Node (Cloudflare's workers), or a bundle made for pages, has no `ws`.
        if (headers !== undefined || !isSocketClass(own)) throw error;
        return () => new own(url, [...protocols]);
      }
    };
  }
  if (headers !== undefined) refuseOption("headers", "only the default WebSocket class of Node can send headers");
  const Class = settings.WebSocket ?? own;
  if (!isSocketClass(Class)) refuseOption("WebSocket", "expected a class, since there is no WebSocket class here");
  return () => () => new Class(url, [...protocols]);
}

/**
 * Checks the values of globals, not their presence: a program may set a missing global to `undefined`. A page in Electron has a
 * `document` as well as Node, and must use the page's own sockets, with the page's cookies and proxy. The simulated page of a test may
 * have a `document` without sockets.
 */
function isNode(hasOwnSockets: boolean): boolean {
  const isPage = Reflect.get(globalThis, "document") !== undefined && hasOwnSockets;
  return !isPage && typeof globalThis.process?.versions?.node === "string";
}

function isSocketClass(value: unknown): value is WebSocketClass {
  return typeof value === "function";
}
