/**
 * `sendall/client`: a client that stays connected, for pages and for programs. It is the composition root of its side: it checks
 * what it was asked for, finds the class that makes sockets here and sets a {@link Client} going.
 *
 * @module sendall/client
 */
import { type Client, LiveClient } from "./client/live.js";
import {
  badOption,
  type ClientSettings,
  type ConnectOptions,
  checkOptions,
  checkUrl,
  clockOf,
} from "./client/options.js";
import type { SocketFactory, WebSocketClass } from "./client/socket.js";

export type { ClientActor, ClientContext, ClientEvent, ClientSnapshot, ClientState } from "./actors/client.js";
export type { Channel } from "./client/channels.js";
export type { Client } from "./client/live.js";
export type {
  ChannelOptions,
  ClientClosing,
  ClientData,
  ConnectOptions,
  OfflineOptions,
  ReconnectOptions,
} from "./client/options.js";
export type { WebSocketClass, WebSocketLike, WebSocketLikeEvent } from "./client/socket.js";
export { SendallError, type SendallErrorCode } from "./errors.js";

/**
 * Connects to a WebSocket server (RFC 6455), and again whenever the connection is lost, until `close` is called, the server says
 * that it is of no use, or `reconnect.attempts` is spent. Works in browsers and in Node.
 *
 * Until it is closed, a client keeps a Node process alive: by its socket, or by its wait for the next attempt.
 *
 * @param url `ws://`, `wss://`, `http://` or `https://`; in a page also relative to it, for a test runtime's class also a path
 * @param options see {@link ConnectOptions}
 * @throws SendallError `BAD_OPTION`, whose message begins with the option's dotted name (`url` for the address)
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  const settings = checkOptions(options);
  const address = checkUrl(url, settings.WebSocket !== undefined);
  const factory = factoryFor(address, settings);
  return new LiveClient({ url: address, settings, factory, clock: clockOf(settings.WebSocket) });
}

function factoryFor(url: string, settings: ClientSettings): SocketFactory {
  const { protocols, headers } = settings;
  if (settings.WebSocket === undefined && isNode()) {
    return async () => {
      const { DialedSocket } = await import("./transport/dial.js");
      return () => new DialedSocket(url, protocols, headers ?? {});
    };
  }
  if (headers !== undefined) badOption("headers", "no class of sockets but Node's default one can send them");
  const Class = settings.WebSocket ?? Reflect.get(globalThis, "WebSocket");
  if (!isSocketClass(Class)) badOption("WebSocket", "there is none here, so one has to be given");
  return () => () => new Class(url, [...protocols]);
}

function isNode(): boolean {
  // In a page of Electron both are there, and the page's own sockets know its cookies and its proxy.
  return !("document" in globalThis) && typeof globalThis.process?.versions?.node === "string";
}

function isSocketClass(value: unknown): value is WebSocketClass {
  return typeof value === "function";
}
