/** Path router: finds the route for the path of a request. `"/chat"` is matched exactly, `"/room/:name"` with any segment for `:name`. */
import { decodeSegments, hasParams, normalPath, type Part, readPattern } from "../options/route-path.js";

export interface Match<R> {
  readonly route: R;
  /** The decoded parts of the path by name; the object has no prototype. */
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern<R> {
  readonly parts: readonly Part[];
  readonly route: R;
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

/** The path of the fallback route, which matches every path without a route. */
export const EVERY_PATH = "*";

export class Router<R> {
  /** Routes by their path in the spelling of browsers. */
  readonly #exact = new Map<string, R>();
  readonly #patterns: Pattern<R>[] = [];
  #fallback: R | undefined;

  add(path: string, route: R): void {
    if (path === EVERY_PATH) this.#fallback = route;
    else if (hasParams(path)) this.#patterns.push({ parts: readPattern(path), route });
    else this.#exact.set(normalPath(path), route);
  }

  match(path: string): Match<R> | undefined {
    const exact = this.#exact.size === 0 ? undefined : (this.#exact.get(path) ?? this.#exact.get(normalPath(path)));
    if (exact !== undefined) return { route: exact, params: NO_PARAMS };
    if (this.#patterns.length > 0) {
      const segments = decodeSegments(path);
      for (const { parts, route } of this.#patterns) {
        const params = bindParams(parts, segments);
        if (params !== undefined) return { route, params };
      }
    }
    return this.#fallback === undefined ? undefined : { route: this.#fallback, params: NO_PARAMS };
  }
}

function bindParams(parts: readonly Part[], segments: readonly string[]): Record<string, string> | undefined {
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [i, part] of parts.entries()) {
    const segment = segments[i] ?? "";
    if ("literal" in part) {
      if (part.literal !== segment) return undefined;
    } else if (segment === "") return undefined;
    else params[part.name] = segment;
  }
  return params;
}
