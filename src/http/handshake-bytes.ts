/**
 * Reads handshake requests straight from the first bytes of a connection, without Node's HTTP parser, which would take a fifth of the time
 * of accepting a WebSocket. Only heads that leave nothing to interpret are read here: whole, in the form in which browsers send them
 * (RFC 9112 sections 3.2.1 and 5, RFC 6455 section 4.1), each header once, in visible ASCII. Everything else is up to Node's parser, and is
 * refused, if at all, as Node's parser has it.
 */
import { maxHeaderSize } from "node:http";

/** Longer heads are rare, and left to Node. */
export const MAX_HEAD_BYTES: number = Math.min(8_192, maxHeaderSize);

/** A path and query (RFC 9112 section 3.2.1). Targets with a host or with brackets are left to Node. */
const REQUEST_LINE = /^GET (\/[\w\-.~%!$&'()*+,;=:@/?]*) HTTP\/1\.1\r\n/;
/**
 * The name of a header, and the value with the blanks around (RFC 9112 section 5). Blanks in the expression would take time in proportion to
 * the square of their number.
 */
const FIELD = /([!#$%&'*+\-.^_`|~\w]+):([\t -~]*)\r\n/y;
/** A value without blanks around. */
export const VALUE: RegExp = /^(?:[!-~](?:[ \t!-~]*[!-~])?)?$/;
const LINE_END = "\r\n";
const METHOD = "GET";
/** Where a request's target begins. */
export const TARGET_AT: number = METHOD.length + 1;

/** Headers that say how a message is read, or that Node treats in a way of its own. */
const LEFT_TO_NODE: ReadonlySet<string> = new Set([
  "__proto__",
  "content-length",
  "expect",
  "proxy-connection",
  "set-cookie",
  "trailer",
  "transfer-encoding",
]);

/** The head of a handshake request. */
export interface HandshakeBytes {
  readonly url: string;
  /** Alternating names and values, as Node has them. */
  readonly rawHeaders: readonly string[];
  /** Where the first header begins, and where the value of each header begins and ends. */
  readonly bounds: readonly number[];
  /** Where the bytes after the head begin. */
  readonly end: number;
}

/** Where the parts of a request line end. */
export interface RequestLine {
  readonly targetEnd: number;
  /** Where the headers begin. */
  readonly end: number;
}

/** @returns `undefined` for a request that is up to Node */
export function readRequestLine(text: string): RequestLine | undefined {
  const match = REQUEST_LINE.exec(text);
  return match === null ? undefined : { targetEnd: TARGET_AT + (match[1]?.length ?? 0), end: match[0].length };
}

/**
 * @param text the bytes in Latin-1
 * @returns `undefined` for a head that is up to Node
 */
export function readHandshakeBytes(bytes: Buffer, text: string, line: RequestLine): HandshakeBytes | undefined {
  const seen = new Map<string, string>();
  const rawHeaders: string[] = [];
  const bounds = [line.end];
  // Copies: parts of the text would keep the whole text in memory.
  const copy = (from: number, to: number): string => bytes.toString("latin1", from, to);
  let at = line.end;
  while (!text.startsWith(LINE_END, at)) {
    FIELD.lastIndex = at;
    const [field, name, padded] = FIELD.exec(text) ?? [];
    if (field === undefined || name === undefined || padded === undefined) return undefined;
    const key = name.toLowerCase();
    if (LEFT_TO_NODE.has(key) || seen.has(key)) return undefined;
    // Versions of Node disagree on a tab after an option.
    if (key === "connection" && padded.includes("\t")) return undefined;
    // No other white space is in the text.
    const value = padded.trim();
    seen.set(key, value);
    const from = at + name.length + 1 + (padded.length - padded.trimStart().length);
    bounds.push(from, from + value.length);
    rawHeaders.push(copy(at, at + name.length), copy(from, from + value.length));
    at += field.length;
  }
  if (!asksForWebSocket(seen)) return undefined;
  return { url: copy(TARGET_AT, line.targetEnd), rawHeaders, bounds, end: at + LINE_END.length };
}

/** Whether Node, too, would call the request an upgrade, to WebSocket alone. */
function asksForWebSocket(headers: ReadonlyMap<string, string>): boolean {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return false;
  const options =
    headers
      .get("connection")
      ?.toLowerCase()
      .split(",")
      .map((option) => option.trim()) ?? [];
  return options.includes("upgrade") && options.every((option) => option === "upgrade" || option === "keep-alive");
}
