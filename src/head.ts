/** Reads the facts of a request out of its head, when somebody asks for them. */
import type { Head } from "./contracts.js";

/** Names and values in turn, as Node gives them, in the one string that {@link readHeaders} reads. */
export function joinHeaders(rawHeaders: readonly string[]): string {
  return rawHeaders.join("\n");
}

/** Headers that are others in each request, or for each user. Most requests of one kind of browser agree in the rest. */
const OWN = new Set([
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

/** Length and first letter: they tell most names apart from these, without a copy in lower case. */
function shapeOf(name: string): number {
  return (name.length << 8) | name.charCodeAt(0) | 0x20;
}

const OWN_SHAPES = new Set([...OWN].map(shapeOf));

function isOwn(name: string): boolean {
  return OWN_SHAPES.has(shapeOf(name)) && OWN.has(name.toLowerCase());
}

/** So many sets of headers are remembered, each of some hundred bytes; then it is begun anew. */
const MAX_SETS = 1_000;

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
      const isCommon = !isOwn(name);
      if (!isCommon) own.push(value);
      common.push(name, isCommon ? value : "");
    }
    return { headers: this.#shared(joinHeaders(common)), ownValues: own.join("\n") };
  }

  #shared(headers: string): string {
    const known = this.#sets.get(headers);
    if (known !== undefined) return known;
    if (this.#sets.size >= MAX_SETS) this.#sets.clear();
    this.#sets.set(headers, headers);
    return headers;
  }
}

/** Names and values in turn, as they were sent. */
function listHeaders({ headers, ownValues }: Head): string[] {
  const parts = headers.split("\n");
  if (ownValues === undefined) return parts;
  const own = ownValues.split("\n").values();
  return parts.map((part, i) => (i % 2 === 1 && isOwn(parts[i - 1] ?? "") ? (own.next().value ?? "") : part));
}

/** The facts of a request less its cookies. */
export function withoutCookies(head: Head): Head {
  const { ownValues: _read, ...rest } = head;
  const parts = listHeaders(head);
  const kept = parts.filter((_part, i) => parts[i - (i % 2)]?.toLowerCase() !== "cookie");
  return { ...rest, headers: joinHeaders(kept) };
}

/** Headers by lower-case name; repeated ones are joined, cookies with `"; "` (RFC 6265), others with `", "` (RFC 9110). */
function readHeaders(head: Head): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  const parts = listHeaders(head);
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = (parts[i] ?? "").toLowerCase();
    const value = parts[i + 1] ?? "";
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return headers;
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

/** The path of a request's target, without the query. */
export function readPath(url: string): string {
  // A proxy's form of a target (RFC 9112 section 3.2.2) has the host in it.
  const target = url.startsWith("/") || !URL.canParse(url) ? url : new URL(url).pathname;
  const end = target.indexOf("?");
  return end < 0 ? target : target.slice(0, end);
}

function readQuery(url: string): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : url.slice(start + 1));
}

/** Percent-decoded, or as it is if it cannot be. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
