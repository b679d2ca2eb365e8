/**
 * Reads handshake requests straight from the first bytes of connections: the heads seen last by comparing text, others by
 * `handshake-bytes.ts`. Valid handshakes alone are read here; the rest is up to Node. A reader lasts as long as its listener.
 */
import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { CommonHeaders, SplitHeaders } from "../admission/common-headers.js";
import { readSessionOffer, type SessionOffer } from "../admission/session-offer.js";
import { checkHandshake, type HandshakeHeaders, type RequestHead, readHandshakeHeaders } from "./handshake.js";
import {
  type HandshakeBytes,
  MAX_HEAD_BYTES,
  type RequestLine,
  readHandshakeBytes,
  readRequestLine,
} from "./handshake-bytes.js";
import { KnownHead, type KnownRequest } from "./known-head.js";

const METHOD = "GET";
const HTTP_VERSION = "1.1";

/** Comparing a head with another one mostly ends at the first line that differs. */
const MAX_KNOWN = 16;

/** A valid handshake request that Node's parser has not seen. */
export class DirectRequest implements RequestHead {
  readonly url: string;
  readonly socket: Socket;
  readonly split: SplitHeaders;
  readonly handshake: HandshakeHeaders;
  readonly sessionOffer: SessionOffer | undefined;
  /** The bytes that were read after the head. */
  readonly rest: Buffer;
  readonly #bytes: Buffer;
  #message: IncomingMessage | undefined;

  constructor(socket: Socket, bytes: Buffer, read: KnownRequest, sessionOffer: SessionOffer | undefined) {
    this.url = read.url;
    this.socket = socket;
    this.split = read.split;
    this.handshake = read.handshake;
    this.sessionOffer = sessionOffer;
    this.rest = bytes.subarray(read.end);
    this.#bytes = bytes;
  }

  get method(): string {
    return METHOD;
  }

  get httpVersion(): string {
    return HTTP_VERSION;
  }

  get rawHeaders(): string[] {
    return this.message.rawHeaders;
  }

  get headers(): RequestHead["headers"] {
    return this.message.headers;
  }

  /** The request as Node would have it. Made on first access, since few programs look. */
  get message(): IncomingMessage {
    this.#message ??= toMessage(this, readAll(this.#bytes)?.rawHeaders ?? []);
    return this.#message;
  }
}

function toMessage({ socket, url }: DirectRequest, rawHeaders: readonly string[]): IncomingMessage {
  const message = new IncomingMessage(socket);
  message.method = METHOD;
  message.url = url;
  message.httpVersion = HTTP_VERSION;
  message.httpVersionMajor = 1;
  message.httpVersionMinor = 1;
  message.rawHeaders = [...rawHeaders];
  // Each header is there once, so there is nothing to join.
  const headers: Record<string, string> = {};
  const lists: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = [rawHeaders[i]?.toLowerCase(), rawHeaders[i + 1]];
    headers[name] = value;
    lists[name] = [value];
  }
  message.headers = headers;
  message.headersDistinct = lists;
  // There is no body: Node has read an upgrade to the end, too.
  message.complete = true;
  message.push(null);
  return Object.assign(message, { upgrade: true });
}

function textOf(bytes: Buffer): string {
  return bytes.toString("latin1", 0, Math.min(bytes.length, MAX_HEAD_BYTES));
}

function readAll(bytes: Buffer): HandshakeBytes | undefined {
  const text = textOf(bytes);
  const line = readRequestLine(text);
  return line && readHandshakeBytes(bytes, text, line);
}

export class HandshakeReader {
  readonly #common: CommonHeaders;
  /** The head seen last comes first. */
  readonly #known: KnownHead[] = [];

  constructor(common: CommonHeaders) {
    this.#common = common;
  }

  /**
   * @param bytes the first bytes of a connection
   * @returns `undefined` for anything but a whole, valid and unambiguous handshake request
   */
  read(socket: Socket, bytes: Buffer): DirectRequest | undefined {
    const text = textOf(bytes);
    const line = readRequestLine(text);
    if (line === undefined) return undefined;
    for (const known of this.#known) {
      const request = known.read(bytes, text, line);
      if (request === undefined) continue;
      this.#putFirst(known);
      return new DirectRequest(socket, bytes, request, undefined);
    }
    return this.#readAnew(socket, bytes, text, line);
  }

  #readAnew(socket: Socket, bytes: Buffer, text: string, line: RequestLine): DirectRequest | undefined {
    const head = readHandshakeBytes(bytes, text, line);
    if (head === undefined) return undefined;
    const { url, end, rawHeaders } = head;
    const sessionOffer = readSessionOffer(rawHeaders);
    const split = this.#common.split(sessionOffer?.rawHeaders ?? rawHeaders);
    const handshake = readHandshakeHeaders(rawHeaders);
    const request = { method: METHOD, httpVersion: HTTP_VERSION, rawHeaders };
    if (checkHandshake(request, split.admission, handshake) !== undefined) return undefined;
    // The offer of a session may have a token, which counts as a password and is not kept.
    if (sessionOffer === undefined) this.#putFirst(new KnownHead(bytes, head, split, handshake));
    return new DirectRequest(socket, bytes, { url, end, split, handshake }, sessionOffer);
  }

  #putFirst(head: KnownHead): void {
    if (this.#known[0] === head) return;
    const at = this.#known.indexOf(head);
    if (at > 0) this.#known.splice(at, 1);
    else if (this.#known.length === MAX_KNOWN) this.#known.pop();
    this.#known.unshift(head);
  }
}
