/**
 * Paths of routes and of requests, compared segment by segment. Two spellings of a path are the same path (RFC 3986 section 6.2.2):
 * `/räume` in code, `/r%C3%A4ume` and `/r%c3%a4ume` on the wire. Serves the router, the paths of SockJS and the check of the option
 * `routes`.
 */

/** Decodes percent-encoded text; returns text which cannot be decoded unchanged. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A part of a route's path: a decoded literal, or the name of a parameter. */
export type Part = { readonly literal: string } | { readonly name: string };

/** The parts of a path as a program writes the path in `routes`. */
export function readPattern(path: string): readonly Part[] {
  return path.split("/").map((part) => (part.startsWith(":") ? { name: part.slice(1) } : { literal: decode(part) }));
}

/** Whether the path has parameters. */
export function hasParams(path: string): boolean {
  return path.includes("/:");
}

/** The decoded segments of a request's path. Each segment is decoded alone, so a slash sent as `%2F` stays inside the segment. */
export function decodeSegments(path: string): string[] {
  const segments = path.split("/");
  return path.includes("%") ? segments.map(decode) : segments;
}

/** Characters which `encodeURI` leaves alone although a segment of a path cannot hold them. */
const DELIMITERS = /[/?#]/g;

/** A decoded segment as browsers send it. */
function encodeSegment(segment: string): string {
  try {
    return encodeURI(segment).replace(DELIMITERS, encodeURIComponent);
  } catch {
    // Half a surrogate pair, which no URL contains.
    return segment;
  }
}

/** Characters that stand for themselves in every spelling of a path. */
const PLAIN = /^[\w/.~-]*$/;

/** The spelling of browsers, the same for every spelling of a path. */
export function normalPath(path: string): string {
  if (PLAIN.test(path)) return path;
  return decodeSegments(path).map(encodeSegment).join("/");
}

/** A key for a path of a route: two paths have the same key if both match the same paths of requests. */
function shapeOf(parts: readonly Part[]): string {
  return parts.map((part) => ("name" in part ? ":" : encodeSegment(part.literal).replace(/^:/, "%3A"))).join("/");
}

/** Whether `wide` matches every path of a request which `narrow` matches. */
function covers(wide: readonly Part[], narrow: readonly Part[]): boolean {
  return (
    wide.length === narrow.length &&
    wide.every((part, i) => {
      const other = narrow[i] ?? { literal: "" };
      if ("name" in part) return "name" in other || other.literal !== "";
      return "literal" in other && other.literal === part.literal;
    })
  );
}

/** Collects the paths of a server's routes in order, and finds paths which no request can reach. */
export class Patterns {
  readonly #byShape = new Map<string, string>();
  readonly #withParams: { readonly path: string; readonly parts: readonly Part[] }[] = [];

  /** @returns why no request reaches the path; `undefined` if requests do */
  add(path: string): string | undefined {
    const parts = readPattern(path);
    const shape = shapeOf(parts);
    const same = this.#byShape.get(shape);
    if (same !== undefined) return `matches the same paths as routes["${same}"]`;
    this.#byShape.set(shape, path);
    // The router tries paths without parameters first.
    if (!hasParams(path)) return undefined;
    const wider = this.#withParams.find((other) => covers(other.parts, parts));
    this.#withParams.push({ path, parts });
    return wider && `matches nothing: routes["${wider.path}"] comes first and takes every path that would match`;
  }
}

/** Characters with a meaning in the syntax of well-known routers, refused in names of parameters. */
const SYNTAX = /[*+?!:()[\]{}|\\]/;

/** Why a path cannot be the path of a route; `undefined` if the path can. */
export function problemOf(path: string): string | undefined {
  if (!path.startsWith("/")) return 'expected a path that begins with "/"';
  if (/[?#]/.test(path)) return "expected a path without a query or fragment";
  if (path.includes("*")) return 'expected a path without "*": write ":name" for a part of any text, "%2A" for a star';
  const parts = path.split("/");
  const literals = parts.filter((part) => !part.startsWith(":"));
  if (!literals.every(isText)) return 'expected percent-encoded UTF-8 after each "%" (write "%25" for a percent sign)';
  // Clients remove dot segments before sending a request (RFC 3986 section 5.2.4).
  if (literals.some((part) => /^\.{1,2}$/.test(decode(part))))
    return 'expected a path without the parts "." and "..": no client sends them';
  return problemOfNames(parts.filter((part) => part.startsWith(":")).map((part) => part.slice(1)));
}

function problemOfNames(names: readonly string[]): string | undefined {
  if (names.includes("")) return 'expected a name after ":"';
  const odd = names.find((name) => SYNTAX.test(name));
  if (odd !== undefined) return `expected a plain name after ":", a whole part of the path, got ":${odd}"`;
  if (new Set(names).size < names.length) return "expected a different name for each parameter";
  return undefined;
}

/** Whether a segment can be decoded, and encoded again. */
function isText(segment: string): boolean {
  try {
    return encodeURI(decodeURIComponent(segment)) !== "" || segment === "";
  } catch {
    return false;
  }
}
