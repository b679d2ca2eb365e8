/** Finds the route for a path: `"/chat"` as it stands, `"/room/:name"` with a part for each name. */
import { decode } from "../head.js";

export interface Match<R> {
  readonly route: R;
  /** The decoded parts by name. */
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern<R> {
  readonly segments: readonly string[];
  readonly route: R;
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/** The path of a route that takes whatever no other route has. */
export const EVERY_PATH = "*";

export class Router<R> {
  readonly #exact = new Map<string, R>();
  readonly #patterns: Pattern<R>[] = [];
  #everywhere: R | undefined;

  add(path: string, route: R): void {
    if (path === EVERY_PATH) this.#everywhere = route;
    else if (path.includes("/:")) this.#patterns.push({ segments: path.split("/"), route });
    // As it comes in a request: a path outside of ASCII is percent-encoded there.
    else this.#exact.set(encodeURI(decode(path)), route);
  }

  match(path: string): Match<R> | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return { route: exact, params: NO_PARAMS };
    const segments = path.split("/");
    for (const pattern of this.#patterns) {
      const params = bind(pattern.segments, segments);
      if (params !== undefined) return { route: pattern.route, params };
    }
    return this.#everywhere === undefined ? undefined : { route: this.#everywhere, params: NO_PARAMS };
  }
}

function bind(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    const segment = segments[i] ?? "";
    if (part.startsWith(":") && segment !== "") params[part.slice(1)] = decode(segment);
    else if (part !== segment) return undefined;
  }
  return params;
}
