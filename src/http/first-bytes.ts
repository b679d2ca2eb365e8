/**
 * The first bytes of each connection to the port of `serve`. Handshake requests that `HandshakeReader` can read become upgrades at once;
 * all other connections go to Node's HTTP server, as if nothing had been read. An HTTP server that does not take connections by a
 * single listener of `connection` or `secureConnection`, such as Bun's, is left as it is. The reading of a connection ends with its first
 * bytes.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { DirectRequest } from "./handshake-reader.js";
import { ignoreError } from "./refuse.js";

export interface FirstBytesHooks {
  /** @returns `undefined` for a request that is up to Node */
  readonly read: (socket: Socket, bytes: Buffer) => DirectRequest | undefined;
  readonly onHandshake: (request: DirectRequest) => void;
}

/** What Node's HTTP server does with a new connection. */
type TakeConnection = (this: Server, socket: Socket) => void;

export class FirstBytes {
  readonly #server: Server;
  readonly #hooks: FirstBytesHooks;
  readonly #takeConnection: TakeConnection;
  /** The same function for every socket, which is passed as `this`. */
  readonly #onData: (this: Socket, bytes: Buffer) => void;

  /** To be called before the server has other listeners for its connections. */
  static readAhead(
    server: Server,
    event: "connection" | "secureConnection",
    hooks: FirstBytesHooks,
  ): FirstBytes | undefined {
    const [takeConnection, ...others] = server.listeners(event);
    if (takeConnection === undefined || others.length > 0) return undefined;
    // A limit of the server alone, which may be passed among the options of `tls`: Node keeps it.
    if (Reflect.get(server, "maxHeaderSize") !== undefined) return undefined;
    const firstBytes = new FirstBytes(server, takeConnection as TakeConnection, hooks);
    server.removeAllListeners(event);
    server.on(event, (socket: Socket) => firstBytes.#await(socket));
    return firstBytes;
  }

  private constructor(server: Server, takeConnection: TakeConnection, hooks: FirstBytesHooks) {
    this.#server = server;
    this.#hooks = hooks;
    this.#takeConnection = takeConnection;
    const firstBytes = this;
    this.#onData = function (bytes) {
      firstBytes.#take(this, bytes);
    };
  }

  /** Whether nothing has arrived yet: Node's HTTP server does not know the socket. */
  isWaiting(socket: Socket): boolean {
    return socket.listeners("data").includes(this.#onData);
  }

  #await(socket: Socket): void {
    socket.on("error", ignoreError);
    socket.on("end", endOwnSide);
    socket.on("data", this.#onData);
    // The option `pauseOnConnect` of `tls`.
    if (socket.isPaused()) socket.resume();
  }

  #take(socket: Socket, bytes: Buffer): void {
    socket.removeListener("data", this.#onData);
    socket.removeListener("end", endOwnSide);
    socket.removeListener("error", ignoreError);
    const request = this.#hooks.read(socket, bytes);
    if (request !== undefined) {
      this.#hooks.onHandshake(request);
      return;
    }
    socket.pause();
    socket.unshift(bytes);
    this.#takeConnection.call(this.#server, socket);
    // Not at once: on Node 20 the bytes would be emitted before the socket resumes, and a pause of Node's parser in between would be lost.
    process.nextTick(() => socket.resume());
  }
}

/** The sockets of an HTTP server stay half-open when the peer ends its side. */
function endOwnSide(this: Socket): void {
  this.end();
}
