/** The head of a request: how its headers are kept, and its facts, read when somebody asks for them. */

import type { PeerCertificate } from "node:tls";
import { decode } from "../options/route-path.js";

/** The facts of a request, as the transport read them before the upgrade. */
export interface Head {
  /** Path and query, as sent. */
  readonly url: string;
  /** Names and values in turn, one a line: kept in this form because few handlers ever read them. */
  readonly headers: string;
  /** The values that are missing there, one a line: of headers that differ, so that many requests can share the rest. */
  readonly ownValues?: string;
  /** Whether its cookies are left out; then their values are not in {@link ownValues} either. */
  readonly hasNoCookies?: boolean;
  readonly version: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly secure: boolean;
  /** The TLS certificate that the peer has shown. */
  readonly peerCertificate?: PeerCertificate;
}

/** The headers that decide who is let in, by lower-case name. */
export type AskedHeaders = {
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

/** Names and values in turn, as Node gives them, in the one string that a head keeps. */
export function joinHeaders(rawHeaders: readonly string[]): string {
  return rawHeaders.join("\n");
}

/** Names of headers, asked for those of a request as they were sent. */
class Names {
  readonly #names: ReadonlySet<string>;
  /** Length and first letter: they tell most others apart without a copy in lower case. */
  readonly #shapes: ReadonlySet<number>;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#shapes = new Set(names.map(shapeOf));
  }

  has(name: string): boolean {
    return this.#shapes.has(shapeOf(name)) && this.#names.has(name.toLowerCase());
  }
}

function shapeOf(name: string): number {
  return (name.length << 8) | name.charCodeAt(0) | 0x20;
}

const COOKIE = new Names(["cookie"]);

/** Headers that are others in each request, or for each user. Most requests of one kind of browser agree in the rest. */
const OWN = new Names([
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

/** So many sets of headers are remembered, if they are no longer than this; then it is begun anew. */
const MAX_SETS = 1_000;
const MAX_SET_LENGTH = 2_048;

/**
 * The headers that many requests have in common, once for all of them: half a kilobyte for each connection of a browser would be
 * the largest part of what a silent one holds.
 */
export class CommonHeaders {
  readonly #sets = new Map<string, string>();

  /** @param rawHeaders names and values in turn, as Node gives them */
  split(rawHeaders: readonly string[]): Pick<Head, "headers" | "ownValues"> {
    const own: string[] = [];
    const common: string[] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "";
      const value = rawHeaders[i + 1] ?? "";
      const isCommon = !OWN.has(name);
      if (!isCommon) own.push(value);
      common.push(name, isCommon ? value : "");
    }
    return { headers: this.#shared(joinHeaders(common)), ownValues: own.join("\n") };
  }

  #shared(headers: string): string {
    const known = this.#sets.get(headers);
    if (known !== undefined) return known;
    if (headers.length > MAX_SET_LENGTH) return headers;
    if (this.#sets.size >= MAX_SETS) this.#sets.clear();
    this.#sets.set(headers, headers);
    return headers;
  }
}

/** Names and values in turn, as they were sent. */
function listHeaders({ headers, ownValues, hasNoCookies }: Head): string[] {
  const parts = headers.split("\n");
  const own = ownValues?.split("\n").values();
  const list: string[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = parts[i] ?? "";
    if (hasNoCookies && COOKIE.has(name)) continue;
    const value = own !== undefined && OWN.has(name) ? own.next().value : parts[i + 1];
    list.push(name, value ?? "");
  }
  return list;
}

/** The facts of a request less its cookies. */
export function withoutCookies(head: Head): Head {
  const list = listHeaders(head);
  const own = list.filter((_part, i) => i % 2 === 1 && OWN.has(list[i - 1] ?? "") && !COOKIE.has(list[i - 1] ?? ""));
  return { ...head, ...(head.ownValues !== undefined && { ownValues: own.join("\n") }), hasNoCookies: true };
}

/** Repeated ones are joined, cookies with `"; "` (RFC 6265), others with `", "` (RFC 9110). */
function addHeader(headers: Record<string, string>, name: string, value: string): void {
  const key = name.toLowerCase();
  const before = headers[key];
  headers[key] = before === undefined ? value : `${before}${key === "cookie" ? "; " : ", "}${value}`;
}

/** Headers by lower-case name. */
function readHeaders(head: Head): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  const list = listHeaders(head);
  for (let i = 0; i + 1 < list.length; i += 2) addHeader(headers, list[i] ?? "", list[i + 1] ?? "");
  return headers;
}

/** All that decides who is let in. */
const ASKED: readonly (keyof AskedHeaders)[] = [
  "host",
  "origin",
  "referer",
  "sec-fetch-site",
  "sec-websocket-protocol",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
];
const ASKED_NAMES = new Names(ASKED);

/** Those by lower-case name, read as {@link Facts.headers}: all of them as an object are 4 kB, and take longer than the rest of the asking. */
export function pickHeaders(rawHeaders: readonly string[]): AskedHeaders {
  const picked: Record<string, string> = Object.create(null);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (ASKED_NAMES.has(name)) addHeader(picked, name, rawHeaders[i + 1] ?? "");
  }
  return picked;
}

/** The pairs of a `Cookie` header (RFC 6265 section 4.2), decoded; of two with one name the first counts. */
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

/** What stands before the path in a target of the form for proxies (RFC 9112 section 3.2.2): scheme and authority. */
const AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]*)/i;

/** The path and query of a request's target, as they were sent, in whichever form it came. */
export function originForm(url: string): string {
  if (url.startsWith("/")) return url;
  const rest = url.slice(AUTHORITY.exec(url)?.[0].length ?? 0);
  return rest.length === url.length || rest.startsWith("/") ? rest : `/${rest}`;
}

/** The host in a request's target, which then counts in place of the `Host` header; `undefined` if there is none. */
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

/** The facts of one request, each read when first asked for. */
export class Facts {
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
