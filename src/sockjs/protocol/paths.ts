/**
 * Where a path leads below the route that speaks SockJS. The part that is the route's is compared decoded, as the router does;
 * what follows is read as it was sent, since decoding it, or folding its dots and slashes, would make other paths of it.
 */
import { EVERY_PATH } from "../../admission/router.js";
import { decodeSegments, normalPath, type Part, readPattern } from "../../options/route-path.js";

/** A row of SockJS's table, by the last part of its path. */
export type SessionRow =
  | "websocket"
  | "xhr"
  | "xhr_send"
  | "xhr_streaming"
  | "eventsource"
  | "htmlfile"
  | "jsonp"
  | "jsonp_send";

export type Row = "greeting" | "info" | "iframe" | "raw" | SessionRow;

/** Where a path leads. */
export interface Place {
  /** The path of the route. */
  readonly base: string;
  /** `undefined`: the route's, but no row of the table. */
  readonly row: Row | undefined;
  /** `""` for rows without one. */
  readonly sessionId: string;
}

const IFRAME = /^iframe[-0-9.a-z_]*\.html$/;
const SEGMENT = /^[^/.]+$/;
const SESSION_ROWS: Readonly<Record<string, SessionRow>> = {
  websocket: "websocket",
  xhr: "xhr",
  xhr_send: "xhr_send",
  xhr_streaming: "xhr_streaming",
  eventsource: "eventsource",
  htmlfile: "htmlfile",
  jsonp: "jsonp",
  jsonp_send: "jsonp_send",
};

/** A row of the base alone; one slash at the end makes no difference. */
function baseRow(segments: readonly string[]): Row | undefined {
  const [first = "", second] = segments;
  if (second !== undefined && (second !== "" || segments.length > 2 || first === "")) return undefined;
  if (first === "") return "greeting";
  if (first === "info") return "info";
  if (first === "websocket") return "raw";
  return IFRAME.test(first) ? "iframe" : undefined;
}

/** `{server}/{session}/{row}`: of the first nobody asks which it is. */
function sessionPlace(base: string, segments: readonly string[]): Place | undefined {
  const [server = "", sessionId = "", name = "", last, ...more] = segments;
  if (more.length > 0 || (last !== undefined && last !== "")) return undefined;
  if (!SEGMENT.test(server) || !SEGMENT.test(sessionId) || !Object.hasOwn(SESSION_ROWS, name)) return undefined;
  return { base, row: SESSION_ROWS[name], sessionId };
}

function placeBelow(base: string, segments: readonly string[]): Place {
  return sessionPlace(base, segments) ?? { base, row: baseRow(segments), sessionId: "" };
}

/** Finds the places below one route. */
export type Locate = (path: string) => Place | undefined;

/** A path of more parts than this is no row. */
const MAX_PARTS = 5;

/** @param path as it stands in `routes`; of a route that has every path any beginning of a path may be the base */
export function locator(path: string): Locate {
  if (path === EVERY_PATH) return locateAnywhere;
  const end = path.endsWith("/") ? "/" : "";
  const parts = readPattern(end === "" ? path : path.slice(0, -1));
  return (target) => {
    const segments = target.split("/", parts.length + MAX_PARTS);
    const own = segments.slice(0, parts.length).join("/");
    if (segments.length < parts.length || !fits(parts, decodeSegments(own))) return undefined;
    const rest = segments.slice(parts.length);
    // In one spelling: the sessions of a base are found by it.
    return placeBelow(normalPath(own) + end, rest.length === 0 ? [""] : rest);
  };
}

function fits(parts: readonly Part[], segments: readonly string[]): boolean {
  return parts.every((part, i) => ("name" in part ? segments[i] !== "" : part.literal === segments[i]));
}

/** The rows that stand at the end of a path, whatever comes before; none is unknown, since others may know it. */
function locateAnywhere(target: string): Place | undefined {
  const path = target.endsWith("/") ? target.slice(0, -1) : target;
  const segments = path.split("/");
  const session = sessionPlace(segments.slice(0, -3).join("/") || "/", segments.slice(-3));
  if (session !== undefined && segments.length > 3) return session;
  const row = baseRow(segments.slice(-1));
  if (row === undefined || row === "greeting") return undefined;
  return { base: segments.slice(0, -1).join("/") || "/", row, sessionId: "" };
}
