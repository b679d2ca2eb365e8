/**
 * The client's socket class in Node, made from `ws`: with headers, and with the HTTP response of a refused upgrade. `connect.ts`
 * loads this file only in Node, because browsers have no `ws`. A socket of this class ends with its connection.
 */
import { WebSocket } from "ws";
import { ABNORMAL } from "../api/close-codes.js";

/** How long `ws` waits for the connection to end after a close frame of either side: the same time as in `machine.ts`. */
const CLOSE_TIMEOUT_MS = 5_000;
/** The maximum of a refusal's body to keep: a Sendall server sends a body of one line. */
const MAX_BODY_BYTES = 1_024;

/** The HTTP response to a refused upgrade. */
interface DialRefusal {
  readonly status: number;
  readonly body: string;
}

/** Whose certificates a socket accepts, as Node's `tls.connect` takes the options. */
export interface DialTrust {
  readonly ca?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/** A socket of `ws` with the response to a refused upgrade, and with an `error` event for each cause of an end. */
export class DialedSocket extends WebSocket {
  refusal: DialRefusal | undefined = undefined;

  constructor(
    url: string,
    protocols: readonly string[],
    headers: Readonly<Record<string, string>>,
    trust: DialTrust = {},
  ) {
    const options = { headers, closeTimeout: CLOSE_TIMEOUT_MS, ...trust };
    super(url, [...protocols], options);
    let hasFailed = false;
    this.once("error", () => {
      hasFailed = true;
    });
    this.once("upgrade", ({ socket }) => {
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
        this.refusal = { status: response.statusCode ?? 0, body };
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
