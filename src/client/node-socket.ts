/**
 * The client's socket class in Node, made from `ws`: with headers, and with the HTTP response of a refused upgrade. `connect.ts`
 * loads this file only in Node, because browsers have no `ws`. A socket of this class ends with its connection.
 */
import { WebSocket } from "#ws";
import { ABNORMAL, isFinalStatus, protocolErrorCode } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { watchPings } from "./ping-watch.js";

/** How long `ws` waits for the connection to end after a close frame of either side: the same time as in `machine.ts`. */
const CLOSE_TIMEOUT_MS = 5_000;
/** The maximum of a refusal's body to keep: a Sendall server sends a body of one line. */
const MAX_BODY_BYTES = 1_024;

/** The headers that every handshake sets, once each (RFC 6455 section 4.1), and the headers of a body, which no handshake has. */
const HANDSHAKE = /^(?:connection|upgrade|sec-websocket-.*|content-length|transfer-encoding)$/i;

/** Whose certificates a socket accepts, as Node's `tls.connect` takes the options. */
export interface DialTrust {
  readonly ca?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/** A socket of `ws` with the response to a refused upgrade, and with an `error` event for each cause of an end. */
export class DialedSocket extends WebSocket {
  readonly problemOf: (error: unknown) => string = problemOf;
  readonly isFault: (error: unknown) => boolean = (error) =>
    error instanceof Error && protocolErrorCode(error) !== undefined;
  /** The refusal of the upgrade, if any. */
  refused: SendallError | undefined = undefined;
  /** Whether another upgrade would be refused, too. */
  isFinal: boolean | undefined = undefined;

  /** @param isAsked whether the address or the headers are asked for at each attempt: the next may be better */
  constructor(
    url: string,
    protocols: readonly string[],
    headers: Readonly<Record<string, string>> = {},
    isAsked = false,
    trust: DialTrust = {},
  ) {
    for (const name of Object.keys(headers))
      if (HANDSHAKE.test(name)) throw new TypeError(`headers: ${name} is a header of the handshake itself`);
    const options = { headers, closeTimeout: CLOSE_TIMEOUT_MS, ...trust };
    super(url, [...protocols], options);
    let hasFailed = false;
    this.once("error", () => {
      hasFailed = true;
    });
    this.once("upgrade", ({ socket }) => {
      watchPings(this, socket);
      // `ws` emits no `error` for the errors of an open socket (a reset, a broken pipe).
      this.prependOnceListener("close", (code) => {
        if (code === ABNORMAL && socket.errored && !hasFailed) this.emit("error", socket.errored);
      });
    });
    this.once("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const finish = (): void => {
        const body = Buffer.concat(chunks).toString("utf8", 0, MAX_BODY_BYTES).trim();
        const { statusCode: status = 0 } = response;
        this.refused = refusalOf(url, status, body);
        this.isFinal = !isAsked && isFinalStatus(status);
        // Emits `error` and `close`, as for any failed attempt.
        this.terminate();
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes >= MAX_BODY_BYTES) response.destroy();
      });
      response.once("close", finish);
    });
  }
}

function refusalOf(url: string, status: number, body: string): SendallError {
  // The body may be a page; a Sendall server gives the reason in the first line.
  const [line = ""] = body.split("\n", 1);
  // The query may have a token.
  const text = `${url.split("?", 1)} refused the connection: HTTP ${status} ${line}`.trimEnd();
  return new SendallError("REFUSED", text, { status, body });
}

/** A readable text for an error of a socket. Browsers give no cause. */
export function problemOf(error: unknown, message = ""): string {
  const text = error instanceof Error ? error.message : message;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // An AggregateError (one error for each address of a host) has no message.
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const problems = new Set(parts.map((part) => problemOf(part)));
  if (text === "" && problems.size > 0) return [...problems].join("; ");
  // An error of zlib (RFC 7692), whose text is about tables and distances.
  if (code.startsWith("Z_")) return `a compressed message cannot be read: ${text}`;
  return text || message || code || "no cause is known";
}
