/** Finds the route for a path: `"/chat"` as it stands, `"/room/:name"` with a part for each name. */
import { decodeSegments, hasParams, normalPath, type Part, readPattern } from "../options/route-path.js";

export interface Match<R> {
  readonly route: R;
  /** The decoded parts by name; has no prototype. */
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern<R> {
  readonly parts: readonly Part[];
  readonly route: R;
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

/** The path of a route that takes whatever no other route has. */
export const EVERY_PATH = "*";

export class Router<R> {
  /** By the spelling that browsers send. */
  readonly #exact = new Map<string, R>();
  readonly #patterns: Pattern<R>[] = [];
  #everywhere: R | undefined;

  add(path: string, route: R): void {
    if (path === EVERY_PATH) this.#everywhere = route;
    else if (hasParams(path)) this.#patterns.push({ parts: readPattern(path), route });
    else this.#exact.set(normalPath(path), route);
  }

  match(path: string): Match<R> | undefined {
    const exact = this.#exact.size === 0 ? undefined : (this.#exact.get(path) ?? this.#exact.get(normalPath(path)));
    if (exact !== undefined) return { route: exact, params: NO_PARAMS };
    if (this.#patterns.length > 0) {
      const segments = decodeSegments(path);
      for (const { parts, route } of this.#patterns) {
        const params = bind(parts, segments);
        if (params !== undefined) return { route, params };
      }
    }
    return this.#everywhere === undefined ? undefined : { route: this.#everywhere, params: NO_PARAMS };
  }
}

function bind(parts: readonly Part[], segments: readonly string[]): Record<string, string> | undefined {
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
