/**
 * The facts of a connection's request: path, parameters, headers, addresses, protocol. The facts change only when a session goes on over a
 * newer socket; `data` belongs to the program. Base class of `LiveConnection`.
 */
import type { PeerCertificate } from "node:tls";
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { Head } from "../../admission/request-head.js";
import { ParsedHead, readPath } from "../../admission/request-head.js";
import type { ConnectionData, Params } from "../../api/connection.js";

/** The head of the newest request, with the path of the first if there was another request. */
interface NewestHead extends Head {
  readonly firstPath?: string;
}

/** Marks unset data: an empty object is created when the program reads `data`. */
const NO_DATA = Symbol("no data");

export class ConnectionFacts {
  #head: NewestHead;
  readonly #params: Params;
  readonly #protocol: string;
  #facts: ParsedHead | undefined;
  #data: unknown;

  constructor({ head, params, protocol, data }: AcceptedUpgrade) {
    this.#head = head;
    this.#params = params;
    this.#protocol = protocol;
    this.#data = data ?? NO_DATA;
  }

  // The value returned by the user's `authorize`; only the options and the handler know the type.
  get data(): ConnectionData {
    if (this.#data === NO_DATA) this.#data = {};
    return this.#data as ConnectionData;
  }
  set data(data: ConnectionData) {
    this.#data = data;
  }

  get path(): string {
    return this.#head.firstPath ?? readPath(this.#head.url);
  }
  get params(): Params {
    return this.#params;
  }
  get query(): URLSearchParams {
    return this.read().query;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.read().headers;
  }
  get cookies(): Readonly<Record<string, string>> {
    return this.read().cookies;
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

  /** The connection has a newer socket: facts of the request are those of the newest request, apart from the path. */
  replaceRequest(head: Head): void {
    this.#head = { ...head, firstPath: this.path };
    this.#facts = undefined;
  }

  /** Parses the request on first use only. */
  private read(): ParsedHead {
    this.#facts ??= new ParsedHead(this.#head);
    return this.#facts;
  }
}
