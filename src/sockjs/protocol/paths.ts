/**
 * The parser for request paths below a SockJS route: finds the endpoint and the session id. The base, which is the route's own
 * path, is compared decoded, as the router does. The rest is read as sent: decoding, or folding dots and slashes, would turn the
 * rest into a different path.
 */
import { EVERY_PATH } from "../../admission/router.js";
import { decodeSegments, normalPath, type Part, readPattern } from "../../options/route-path.js";

/** The endpoints `{server}/{session}/{transport}`, by the last segment. */
export type SessionEndpoint =
  | "websocket"
  | "xhr"
  | "xhr_send"
  | "xhr_streaming"
  | "eventsource"
  | "htmlfile"
  | "jsonp"
  | "jsonp_send";

/** Every endpoint below the base; `raw` is `/websocket`, without SockJS frames. */
export type Endpoint = "greeting" | "info" | "iframe" | "raw" | SessionEndpoint;

/** The meaning of a request path. */
export interface SockJsTarget {
  /** The path of the route. */
  readonly base: string;
  /** `undefined` for a path below the base that SockJS does not define. */
  readonly endpoint: Endpoint | undefined;
  /** `""` for endpoints without a session. */
  readonly sessionId: string;
}

const IFRAME = /^iframe[-0-9.a-z_]*\.html$/;
const SEGMENT = /^[^/.]+$/;
const SESSION_ENDPOINTS: Readonly<Record<string, SessionEndpoint>> = {
  websocket: "websocket",
  xhr: "xhr",
  xhr_send: "xhr_send",
  xhr_streaming: "xhr_streaming",
  eventsource: "eventsource",
  htmlfile: "htmlfile",
  jsonp: "jsonp",
  jsonp_send: "jsonp_send",
};

/** The endpoint directly below the base. A single trailing slash makes no difference. */
function baseEndpoint(segments: readonly string[]): Endpoint | undefined {
  const [first = "", second] = segments;
  if (second !== undefined && (second !== "" || segments.length > 2 || first === "")) return undefined;
  if (first === "") return "greeting";
  if (first === "info") return "info";
  if (first === "websocket") return "raw";
  return IFRAME.test(first) ? "iframe" : undefined;
}

/** `{server}/{session}/{transport}`. Any server segment is valid: clients choose the segment at random. */
function sessionTarget(base: string, segments: readonly string[]): SockJsTarget | undefined {
  const [server = "", sessionId = "", name = "", last, ...more] = segments;
  if (more.length > 0 || (last !== undefined && last !== "")) return undefined;
  if (!SEGMENT.test(server) || !SEGMENT.test(sessionId) || !Object.hasOwn(SESSION_ENDPOINTS, name)) return undefined;
  return { base, endpoint: SESSION_ENDPOINTS[name], sessionId };
}

function targetBelow(base: string, segments: readonly string[]): SockJsTarget {
  return sessionTarget(base, segments) ?? { base, endpoint: baseEndpoint(segments), sessionId: "" };
}

/** @returns `undefined` for a path that is not below the route */
export type ParsePath = (path: string) => SockJsTarget | undefined;

/** Segments below the base that are read; the longest endpoint, `{server}/{session}/{transport}/`, has four. */
const MAX_SEGMENTS = 5;

/** @param path as written in `routes`; for a catch-all route, any leading segments of a request path may be the base */
export function pathParser(path: string): ParsePath {
  if (path === EVERY_PATH) return parseBelowAnyBase;
  const trailingSlash = path.endsWith("/") ? "/" : "";
  const parts = readPattern(trailingSlash === "" ? path : path.slice(0, -1));
  return (requestPath) => {
    const segments = requestPath.split("/", parts.length + MAX_SEGMENTS);
    const base = segments.slice(0, parts.length).join("/");
    if (segments.length < parts.length || !matchesBase(parts, decodeSegments(base))) return undefined;
    const rest = segments.slice(parts.length);
    // The base is part of the key of a session, so every spelling has to give the same base.
    return targetBelow(normalPath(base) + trailingSlash, rest.length === 0 ? [""] : rest);
  };
}

function matchesBase(parts: readonly Part[], segments: readonly string[]): boolean {
  return parts.every((part, i) => ("name" in part ? segments[i] !== "" : part.literal === segments[i]));
}

/** Finds an endpoint at the end of a path, below any base. Other paths are not SockJS: files or the program may answer. */
function parseBelowAnyBase(path: string): SockJsTarget | undefined {
  const segments = (path.endsWith("/") ? path.slice(0, -1) : path).split("/");
  const session = sessionTarget(segments.slice(0, -3).join("/") || "/", segments.slice(-3));
  if (session !== undefined && segments.length > 3) return session;
  const endpoint = baseEndpoint(segments.slice(-1));
  if (endpoint === undefined || endpoint === "greeting") return undefined;
  return { base: segments.slice(0, -1).join("/") || "/", endpoint, sessionId: "" };
}

/** The request target with the route's path in place of its own path: a session id is the client's secret. */
export function routeUrl(url: string, base: string): string {
  const query = url.indexOf("?");
  return query < 0 ? base : base + url.slice(query);
}
