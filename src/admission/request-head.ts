/**
 * The head of a request: stored in a compact form, since each connection keeps a head until the end, and parsed on demand. Also reads paths
 * and hosts out of request targets.
 */

import type { PeerCertificate } from "node:tls";
import { decode } from "../options/route-path.js";

/** The head of a request and the addresses of its socket, as read before the upgrade. */
export interface Head {
  /** Path and query, as sent. */
  readonly url: string;
  /** Alternating names and values, one per line. A single string is cheapest, and few handlers ever read headers. */
  readonly headers: string;
  /** The values of headers that differ per client, one per line; `headers` has empty values there, so that clients can share the string. */
  readonly individualValues?: string;
  /** Whether cookies are hidden; {@link individualValues} then has no values of cookies. */
  readonly hasNoCookies?: boolean;
  readonly version: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly secure: boolean;
  /** The TLS certificate of the peer. */
  readonly peerCertificate?: PeerCertificate;
}

/** The headers that the gate needs for its decision, by lower-case name. */
export type AdmissionHeaders = {
  readonly [name in
    | "host"
    | "origin"
    | "referer"
    | "sec-fetch-site"
    | "sec-websocket-protocol"
    | "x-forwarded-for"
    | "x-forwarded-host"
    | "x-forwarded-proto"]?: string;
};

/** Joins Node's `rawHeaders` into the form of {@link Head.headers}. */
export function joinHeaders(rawHeaders: readonly string[]): string {
  return rawHeaders.join("\n");
}

const SHAPES = 1_024;

/** A set of header names that matches in any case. */
export class HeaderNames {
  readonly #names: ReadonlySet<string>;
  /** 1 for the shape of each name: most other names differ in shape, and need no lower-case copy. */
  readonly #shapes = new Uint8Array(SHAPES);

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    for (const name of names) this.#shapes[shapeOf(name)] = 1;
  }

  /** Whether a name has the shape of one of the names. */
  mayHave(name: string): boolean {
    return this.#shapes[shapeOf(name)] === 1;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** @returns the name in lower case; `undefined` if it is none of the names */
  find(name: string): string | undefined {
    if (!this.mayHave(name)) return undefined;
    const lower = name.toLowerCase();
    return this.#names.has(lower) ? lower : undefined;
  }
}

/** Length and first letter in five bits each, the letter in any case. */
function shapeOf(name: string): number {
  return ((name.length & 31) << 5) | (name.charCodeAt(0) & 31);
}

const COOKIE = new HeaderNames(["cookie"]);

/** Headers that differ per request or per user. Browsers of the same version send equal values in most other headers. */
export const INDIVIDUAL: HeaderNames = new HeaderNames([
  "authorization",
  "cookie",
  "forwarded",
  "sec-websocket-key",
  "traceparent",
  "tracestate",
  "x-forwarded-for",
  "x-real-ip",
  "x-request-id",
]);

/** Alternating names and values, as sent. */
function listHeaders({ headers, individualValues, hasNoCookies }: Head): string[] {
  const parts = headers.split("\n");
  const own = individualValues?.split("\n").values();
  const list: string[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = parts[i] ?? "";
    if (hasNoCookies && COOKIE.has(name)) continue;
    const value = own !== undefined && INDIVIDUAL.has(name) ? own.next().value : parts[i + 1];
    list.push(name, value ?? "");
  }
  return list;
}

/** The head of a request without its cookies. */
export function withoutCookies(head: Head): Head {
  const list = listHeaders(head);
  const own = list.filter(
    (_part, i) => i % 2 === 1 && INDIVIDUAL.has(list[i - 1] ?? "") && !COOKIE.has(list[i - 1] ?? ""),
  );
  return {
    ...head,
    ...(head.individualValues !== undefined && { individualValues: own.join("\n") }),
    hasNoCookies: true,
  };
}

/** Joins repeated headers: cookies with `"; "` (RFC 6265), any other header with `", "` (RFC 9110). */
function addHeader(headers: Record<string, string>, key: string, value: string): void {
  const before = headers[key];
  headers[key] = before === undefined ? value : `${before}${key === "cookie" ? "; " : ", "}${value}`;
}

/** Headers by lower-case name. */
function readHeaders(head: Head): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  const list = listHeaders(head);
  for (let i = 0; i + 1 < list.length; i += 2) addHeader(headers, (list[i] ?? "").toLowerCase(), list[i + 1] ?? "");
  return headers;
}

const ADMISSION: readonly (keyof AdmissionHeaders)[] = [
  "host",
  "origin",
  "referer",
  "sec-fetch-site",
  "sec-websocket-protocol",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
];
const ADMISSION_NAMES = new HeaderNames(ADMISSION);

/** Reads the headers that the gate needs. */
export function readAdmissionHeaders(rawHeaders: readonly string[]): AdmissionHeaders {
  return pickHeaders(rawHeaders, ADMISSION_NAMES);
}

/**
 * Reads a few headers, joined as in {@link ParsedHead.headers}. An object with every header would take 4 kB, and more time than the
 * decision of the gate.
 */
export function pickHeaders(rawHeaders: readonly string[], names: HeaderNames): Record<string, string> {
  // With a prototype, since V8 keeps objects without one in tables of half a kilobyte. No header that a peer names is looked up here.
  const picked: Record<string, string> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = names.find(rawHeaders[i] ?? "");
    if (name !== undefined) addHeader(picked, name, rawHeaders[i + 1] ?? "");
  }
  return picked;
}

/** The decoded pairs of a `Cookie` header (RFC 6265 section 4.2). Of two pairs with the same name the first counts. */
function readCookies(header: string | undefined): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null);
  for (const pair of header?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const name = pair.slice(0, equals).trim();
    if (name in cookies) continue;
    cookies[name] = decode(
      pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
    );
  }
  return cookies;
}

/** Scheme and authority before the path of a target in absolute form (RFC 9112 section 3.2.2). */
const AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]*)/i;

/** The path and query of a request's target, as sent, for a target in origin form or absolute form. */
export function originForm(url: string): string {
  if (url.startsWith("/")) return url;
  const rest = url.slice(AUTHORITY.exec(url)?.[0].length ?? 0);
  return rest.length === url.length || rest.startsWith("/") ? rest : `/${rest}`;
}

/** The host in a request's target, which overrides the `Host` header; `undefined` for a target without a host. */
export function hostOf(url: string): string | undefined {
  return url.startsWith("/") ? undefined : AUTHORITY.exec(url)?.[1] || undefined;
}

/** The path of a request's target, without the query. */
export function readPath(url: string): string {
  const target = originForm(url);
  const end = target.indexOf("?");
  return end < 0 ? target : target.slice(0, end);
}

function readQuery(url: string): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : url.slice(start + 1));
}

/** A request head that is parsed lazily: each property is computed on first access. */
export class ParsedHead {
  readonly head: Head;
  #query: URLSearchParams | undefined;
  #headers: Record<string, string> | undefined;
  #cookies: Record<string, string> | undefined;

  constructor(head: Head) {
    this.head = head;
  }

  get path(): string {
    return readPath(this.head.url);
  }

  get query(): URLSearchParams {
    this.#query ??= readQuery(this.head.url);
    return this.#query;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= readHeaders(this.head);
    return this.#headers;
  }

  get cookies(): Readonly<Record<string, string>> {
    this.#cookies ??= readCookies(this.headers.cookie);
    return this.#cookies;
  }
}
