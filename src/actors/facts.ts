/** What a connection says of its request: the part of it that never changes. */
import type { PeerCertificate } from "node:tls";
import type { Params } from "../events.js";
import type { Facts } from "../head.js";
import type { Entry } from "../http/gate.js";

export class ConnectionFacts {
  readonly #facts: Facts;
  readonly #params: Params;
  readonly #protocol: string;

  constructor({ facts, params, protocol }: Entry) {
    this.#facts = facts;
    this.#params = params;
    this.#protocol = protocol;
  }

  get path(): string {
    return this.#facts.path;
  }
  get params(): Params {
    return this.#params;
  }
  get query(): URLSearchParams {
    return this.#facts.query;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#facts.headers;
  }
  get cookies(): Readonly<Record<string, string>> {
    return this.#facts.cookies;
  }
  get origin(): string | undefined {
    return this.headers.origin;
  }
  get protocol(): string {
    return this.#protocol;
  }
  get version(): number {
    return this.#facts.head.version;
  }
  get remoteAddress(): string {
    return this.#facts.head.remoteAddress;
  }
  get remotePort(): number {
    return this.#facts.head.remotePort;
  }
  get localAddress(): string {
    return this.#facts.head.localAddress;
  }
  get secure(): boolean {
    return this.#facts.head.secure;
  }
  get peerCertificate(): PeerCertificate | undefined {
    return this.#facts.head.peerCertificate;
  }
}
