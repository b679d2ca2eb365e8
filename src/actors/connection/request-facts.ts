/**
 * The immutable facts of a connection's request: path, parameters, headers, addresses, protocol. Base class of `LiveConnection`.
 */
import type { PeerCertificate } from "node:tls";
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { Head } from "../../admission/request-head.js";
import { ParsedHead, readPath } from "../../admission/request-head.js";
import type { Params } from "../../api/connection.js";

export class ConnectionFacts {
  readonly #head: Head;
  readonly #params: Params;
  readonly #protocol: string;
  #facts: ParsedHead | undefined;

  constructor({ head, params, protocol }: AcceptedUpgrade) {
    this.#head = head;
    this.#params = params;
    this.#protocol = protocol;
  }

  get path(): string {
    return readPath(this.#head.url);
  }
  get params(): Params {
    return this.#params;
  }
  get query(): URLSearchParams {
    return this.#read().query;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#read().headers;
  }
  get cookies(): Readonly<Record<string, string>> {
    return this.#read().cookies;
  }
  get origin(): string | undefined {
    return this.headers.origin;
  }
  get protocol(): string {
    return this.#protocol;
  }
  get version(): number {
    return this.#head.version;
  }
  get remoteAddress(): string {
    return this.#head.remoteAddress;
  }
  get remotePort(): number {
    return this.#head.remotePort;
  }
  get localAddress(): string {
    return this.#head.localAddress;
  }
  get secure(): boolean {
    return this.#head.secure;
  }
  get peerCertificate(): PeerCertificate | undefined {
    return this.#head.peerCertificate;
  }

  /** Parses the request on first use only. */
  #read(): ParsedHead {
    this.#facts ??= new ParsedHead(this.#head);
    return this.#facts;
  }
}
