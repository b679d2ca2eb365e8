/**
 * `connect`: the composition root of the client. Checks the options, finds the class that makes sockets here and starts a
 * {@link Client}.
 */
import { refuseOption } from "../options/read-options.js";
import { type Client, LiveClient } from "./live.js";
import { type ConnectOptions, checkUrl, clockOf } from "./options.js";
import { type ClientSettings, readConnectOptions } from "./settings.js";
import type { SocketFactory, WebSocketClass } from "./socket.js";

/**
 * Connects to a WebSocket server (RFC 6455), and again whenever the connection is lost, until `close` is called, the server says
 * that it is of no use, or `reconnect.attempts` is spent. Works in browsers, Node, Deno and Bun.
 *
 * Until it is closed, a client keeps a Node process alive: by its socket, or by its wait for the next attempt.
 *
 * @param url `ws://`, `wss://`, `http://` or `https://`; in a page also relative to it, for a test runtime's class also a path
 * @param options see {@link ConnectOptions}
 * @throws SendallError `BAD_OPTION`, whose message begins with the option's dotted name (`url` for the address)
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  const settings = readConnectOptions(options);
  const address = checkUrl(url, settings.WebSocket !== undefined);
  const factory = factoryFor(address, settings);
  return new LiveClient({ url: address, settings, factory, clock: clockOf(settings.WebSocket) });
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
        // A runtime that only resembles Node (Cloudflare's workers), or a bundle that was made for pages, has no `ws`.
        if (headers !== undefined || !isSocketClass(own)) throw error;
        return () => new own(url, [...protocols]);
      }
    };
  }
  if (headers !== undefined) refuseOption("headers", "no class of sockets but Node's default one can send them");
  const Class = settings.WebSocket ?? own;
  if (!isSocketClass(Class)) refuseOption("WebSocket", "there is none here, so one has to be given");
  return () => () => new Class(url, [...protocols]);
}

/**
 * By values, not by what there is: a program may have set what it does not have to `undefined`. In a page of Electron there is a
 * document beside Node, and the page's own sockets know its cookies and its proxy; a page that a test has made up may have none.
 */
function isNode(hasOwnSockets: boolean): boolean {
  const isPage = Reflect.get(globalThis, "document") !== undefined && hasOwnSockets;
  return !isPage && typeof globalThis.process?.versions?.node === "string";
}

function isSocketClass(value: unknown): value is WebSocketClass {
  return typeof value === "function";
}
