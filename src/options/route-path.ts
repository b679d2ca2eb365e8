/**
 * Paths as routes write them and as requests send them, compared segment by segment. Two spellings of one path are the same path
 * (RFC 3986 section 6.2.2): `/räume` in code, `/r%C3%A4ume` and `/r%c3%a4ume` on the wire. Used by the router, by the paths of
 * SockJS and by the check of the option `routes`.
 */

/** Percent-decoded, or as it is if it cannot be. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A part of a route's path: a literal, decoded, or the name of a parameter. */
export type Part = { readonly literal: string } | { readonly name: string };

/** The parts of a route's path, as it stands in `routes`. */
export function readPattern(path: string): readonly Part[] {
  return path.split("/").map((part) => (part.startsWith(":") ? { name: part.slice(1) } : { literal: decode(part) }));
}

/** Whether the path has parameters. */
export function hasParams(path: string): boolean {
  return path.includes("/:");
}

/** The segments of a request's path, decoded one by one: a slash that was sent as `%2F` stays inside its segment. */
export function decodeSegments(path: string): string[] {
  const segments = path.split("/");
  return path.includes("%") ? segments.map(decode) : segments;
}

/** What `encodeURI` leaves alone, and a segment of a path cannot hold. */
const DELIMITERS = /[/?#]/g;

/** A decoded segment as browsers send it. */
function encodeSegment(segment: string): string {
  try {
    return encodeURI(segment).replace(DELIMITERS, encodeURIComponent);
  } catch {
    // Half a surrogate pair: no URL has one.
    return segment;
  }
}

/** The one spelling that all spellings of a path have in common: that of browsers. */
export function normalPath(path: string): string {
  return decodeSegments(path).map(encodeSegment).join("/");
}

/** Equal for two paths of routes if both match the same paths of requests. */
function shapeOf(parts: readonly Part[]): string {
  return parts.map((part) => ("name" in part ? ":" : encodeSegment(part.literal).replace(/^:/, "%3A"))).join("/");
}

/** Whether the first matches all that the second matches. */
function covers(first: readonly Part[], second: readonly Part[]): boolean {
  return (
    first.length === second.length &&
    first.every((part, i) => {
      const other = second[i] ?? { literal: "" };
      if ("name" in part) return "name" in other || other.literal !== "";
      return "literal" in other && other.literal === part.literal;
    })
  );
}

/** The paths of a server's routes, in their order: finds those that could never be reached. */
export class Patterns {
  readonly #byShape = new Map<string, string>();
  readonly #withParams: { readonly path: string; readonly parts: readonly Part[] }[] = [];

  /** @returns why no request would come to the path; `undefined` if some do */
  add(path: string): string | undefined {
    const parts = readPattern(path);
    const shape = shapeOf(parts);
    const same = this.#byShape.get(shape);
    if (same !== undefined) return `matches the same paths as routes["${same}"]`;
    this.#byShape.set(shape, path);
    // A path without parameters comes before all that have some.
    if (!hasParams(path)) return undefined;
    const wider = this.#withParams.find((other) => covers(other.parts, parts));
    this.#withParams.push({ path, parts });
    return wider && `matches nothing, since all that it would match has come to routes["${wider.path}"] before it`;
  }
}

/** Characters that other routers give a meaning in the name of a parameter. */
const SYNTAX = /[*+?!:()[\]{}|\\]/;

/** What keeps a path from being a route's; `undefined` if nothing does. */
export function problemOf(path: string): string | undefined {
  if (!path.startsWith("/")) return 'expected a path that begins with "/"';
  if (/[?#]/.test(path)) return "expected a path without a query or fragment";
  if (path.includes("*")) return 'expected a path without "*": a part of any text is ":name", a star of its own "%2A"';
  const parts = path.split("/");
  const literals = parts.filter((part) => !part.startsWith(":"));
  if (!literals.every(isText)) return 'expected percent-encoded UTF-8 after each "%" ("%25" is a "%" of its own)';
  // Browsers and other clients fold them before they ask (RFC 3986 section 5.2.4).
  if (literals.some((part) => /^\.{1,2}$/.test(decode(part))))
    return 'expected a path without the parts "." and "..": no client sends them';
  return problemOfNames(parts.filter((part) => part.startsWith(":")).map((part) => part.slice(1)));
}

function problemOfNames(names: readonly string[]): string | undefined {
  if (names.includes("")) return 'expected a name after ":"';
  const odd = names.find((name) => SYNTAX.test(name));
  if (odd !== undefined) return `expected a plain name after ":", a whole part of the path, got ":${odd}"`;
  if (new Set(names).size < names.length) return "expected each of its parts to have a name of its own";
  return undefined;
}

/** Whether it can be decoded, and sent. */
function isText(segment: string): boolean {
  try {
    return encodeURI(decodeURIComponent(segment)) !== "" || segment === "";
  } catch {
    return false;
  }
}
