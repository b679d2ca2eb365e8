/** The facts of a subscription, which are the facts of its socket; after the socket has come back, the facts of the newest request. */
import type { PeerCertificate } from "node:tls";
import type { Connection, Params, TransportName } from "../../api/connection.js";

export class SocketFacts {
  readonly #socket: Connection;

  constructor(socket: Connection) {
    this.#socket = socket;
  }

  get path(): string {
    return this.#socket.path;
  }
  get params(): Params {
    return this.#socket.params;
  }
  get query(): URLSearchParams {
    return this.#socket.query;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#socket.headers;
  }
  get cookies(): Readonly<Record<string, string>> {
    return this.#socket.cookies;
  }
  get origin(): string | undefined {
    return this.#socket.origin;
  }
  get protocol(): string {
    return this.#socket.protocol;
  }
  get version(): number {
    return this.#socket.version;
  }
  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }
  get remotePort(): number {
    return this.#socket.remotePort;
  }
  get localAddress(): string {
    return this.#socket.localAddress;
  }
  get secure(): boolean {
    return this.#socket.secure;
  }
  get peerCertificate(): PeerCertificate | undefined {
    return this.#socket.peerCertificate;
  }
  get transport(): TransportName {
    return this.#socket.transport;
  }
  get roundTripMs(): number | undefined {
    return this.#socket.roundTripMs;
  }
}
