/**
 * The headers that many requests have in common, kept once. Without sharing, half a kilobyte of headers would be the largest part of an
 * idle connection, and joining the headers the largest part of reading a request. Each listener has a table, which lasts as long as the
 * listener.
 */
import { type AdmissionHeaders, INDIVIDUAL, joinHeaders, readAdmissionHeaders } from "./request-head.js";

/** At most 1,000 strings of at most 2,048 characters are interned; then the table is cleared. */
const MAX_INTERNED = 1_000;
const MAX_INTERNED_LENGTH = 2_048;

const LINE_END = 10;

/** The headers of a request, as a head keeps the headers, and as the gate needs the headers. */
export interface SplitHeaders {
  /** See `Head.headers`. */
  readonly headers: string;
  /** See `Head.individualValues`. */
  readonly individualValues: string;
  readonly admission: AdmissionHeaders;
}

/** Headers that were seen before, with empty values for the individual headers. */
class KnownHeaders {
  readonly headers: string;
  /** For each header, whether the value is individual. */
  readonly #individual: readonly boolean[];
  /** Absent where an individual header is among the headers of the gate. */
  readonly #admission: AdmissionHeaders | undefined;

  constructor(headers: string, rawHeaders: readonly string[], admission: AdmissionHeaders) {
    this.headers = headers;
    this.#individual = rawHeaders.filter((_part, i) => i % 2 === 0).map((name) => INDIVIDUAL.has(name));
    this.#admission = admission["x-forwarded-for"] === undefined ? admission : undefined;
  }

  /** @returns `undefined` if the request has other headers */
  split(rawHeaders: readonly string[]): SplitHeaders | undefined {
    const individual = this.#individual;
    if (rawHeaders.length !== 2 * individual.length) return undefined;
    const own: string[] = [];
    let at = 0;
    for (let i = 0; i < rawHeaders.length; i++) {
      let part = rawHeaders[i] ?? "";
      if (i % 2 === 1 && individual[i >> 1]) {
        own.push(part);
        part = "";
      }
      if (i > 0 && this.headers.charCodeAt(at++) !== LINE_END) return undefined;
      if (!this.headers.startsWith(part, at)) return undefined;
      at += part.length;
    }
    if (at !== this.headers.length) return undefined;
    const admission = this.#admission ?? readAdmissionHeaders(rawHeaders);
    return { headers: this.headers, individualValues: own.join("\n"), admission };
  }
}

export class CommonHeaders {
  readonly #interned = new Map<string, KnownHeaders>();
  /** The headers seen last, by a hash that is quick to compute: most requests find their headers here, and build no string. */
  readonly #recent = new Map<number, KnownHeaders>();

  /** @param rawHeaders alternating names and values, from Node */
  split(rawHeaders: readonly string[]): SplitHeaders {
    const hash = hashOf(rawHeaders);
    return this.#recent.get(hash)?.split(rawHeaders) ?? this.#splitAnew(rawHeaders, hash);
  }

  #splitAnew(rawHeaders: readonly string[], hash: number): SplitHeaders {
    const own: string[] = [];
    const common: string[] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "";
      const value = rawHeaders[i + 1] ?? "";
      const isCommon = !INDIVIDUAL.has(name);
      if (!isCommon) own.push(value);
      common.push(name, isCommon ? value : "");
    }
    const admission = readAdmissionHeaders(rawHeaders);
    const headers = this.#intern(joinHeaders(common), rawHeaders, admission, hash);
    return { headers, individualValues: own.join("\n"), admission };
  }

  #intern(headers: string, rawHeaders: readonly string[], admission: AdmissionHeaders, hash: number): string {
    if (headers.length > MAX_INTERNED_LENGTH) return headers;
    let known = this.#interned.get(headers);
    if (known === undefined) {
      if (this.#interned.size >= MAX_INTERNED) {
        this.#interned.clear();
        this.#recent.clear();
      }
      known = new KnownHeaders(headers, rawHeaders, admission);
      this.#interned.set(headers, known);
    }
    // Other headers with the same hash take turns here: the string is shared all the same.
    this.#recent.set(hash, known);
    return known.headers;
  }
}

/** Equal for requests that have the same headers, whatever the values of individual headers. Different headers rarely share a hash. */
function hashOf(rawHeaders: readonly string[]): number {
  let hash = rawHeaders.length;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    hash = add(hash, name.length);
    if (INDIVIDUAL.mayHave(name)) continue;
    const value = rawHeaders[i + 1] ?? "";
    const { length } = value;
    hash = add(hash, length);
    // The middle of a value and the end differ most often: versions, ports, languages.
    if (length > 0) hash = add(hash, (value.charCodeAt(length >> 1) << 8) | value.charCodeAt(length - 1));
  }
  return hash;
}

function add(hash: number, value: number): number {
  return (Math.imul(hash, 31) + value) | 0;
}
