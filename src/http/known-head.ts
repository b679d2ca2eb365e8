/**
 * The head of a handshake request that was read before. Browsers of the same version send the same text, but for the path and for a few
 * values of their own, such as the key: a request with the same text in between needs neither parsing nor checks. `HandshakeReader` keeps
 * the heads seen last.
 */
import type { SplitHeaders } from "../admission/common-headers.js";
import { type AdmissionHeaders, INDIVIDUAL } from "../admission/request-head.js";
import { type HandshakeHeaders, isKey } from "./handshake.js";
import { type HandshakeBytes, type RequestLine, TARGET_AT, VALUE } from "./handshake-bytes.js";

/** A request with a known head. */
export interface KnownRequest {
  readonly url: string;
  readonly split: SplitHeaders;
  /** A copy of its own. */
  readonly handshake: HandshakeHeaders;
  /** Where the bytes after the head begin. */
  readonly end: number;
}

export class KnownHead {
  /** The text before the first individual value, between each two, and after the last; without the request line. */
  readonly #between: readonly string[];
  /** The lower-case name of each individual value. */
  readonly #names: readonly string[];
  readonly #keyAt: number;
  readonly #forwardedForAt: number;
  readonly #headers: string;
  readonly #admission: AdmissionHeaders;
  readonly #handshake: HandshakeHeaders;
  /** The target of the first request, shared by those with the same; empty for a target with a query, which may have a token. */
  readonly #url: string;

  constructor(bytes: Buffer, head: HandshakeBytes, split: SplitHeaders, handshake: HandshakeHeaders) {
    const { rawHeaders, bounds, end, url } = head;
    const names: string[] = [];
    const between: string[] = [];
    let from = bounds[0] ?? 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "";
      if (!INDIVIDUAL.has(name)) continue;
      names.push(name.toLowerCase());
      between.push(bytes.toString("latin1", from, bounds[i + 1]));
      from = bounds[i + 2] ?? end;
    }
    between.push(bytes.toString("latin1", from, end));
    this.#names = names;
    this.#keyAt = names.indexOf("sec-websocket-key");
    this.#forwardedForAt = names.indexOf("x-forwarded-for");
    this.#between = between;
    this.#headers = split.headers;
    this.#admission = split.admission;
    this.#handshake = handshake;
    this.#url = url.includes("?") ? "" : url;
  }

  /**
   * @param text the bytes in Latin-1
   * @returns `undefined` for a request with another head
   */
  read(bytes: Buffer, text: string, { targetEnd, end }: RequestLine): KnownRequest | undefined {
    const values: string[] = [];
    let at = end;
    for (const part of this.#between) {
      // Faster than `startsWith`, which compares letter by letter.
      if (text.slice(at, at + part.length) !== part) return undefined;
      at += part.length;
      if (values.length === this.#names.length) break;
      const valueEnd = text.indexOf("\r", at);
      if (valueEnd < 0) return undefined;
      // A copy: a part of the text would keep the whole text in memory.
      const value = bytes.toString("latin1", at, valueEnd);
      if (!VALUE.test(value)) return undefined;
      values.push(value);
      at = valueEnd;
    }
    const key = values[this.#keyAt] ?? "";
    if (!isKey(key)) return undefined;
    const isSameUrl = targetEnd - TARGET_AT === this.#url.length && text.startsWith(this.#url, TARGET_AT);
    return {
      url: isSameUrl ? this.#url : bytes.toString("latin1", TARGET_AT, targetEnd),
      split: { headers: this.#headers, individualValues: values.join("\n"), admission: this.#admissionOf(values) },
      // A computed name would be slow.
      handshake: { ...this.#handshake, "sec-websocket-key": key },
      end: at,
    };
  }

  #admissionOf(values: readonly string[]): AdmissionHeaders {
    const at = this.#forwardedForAt;
    // -1 as an index would be slow.
    return at < 0 ? this.#admission : { ...this.#admission, "x-forwarded-for": values[at] ?? "" };
  }
}
