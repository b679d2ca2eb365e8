/**
 * The client's sockets in Node, which are those of `ws`: with headers, and with what HTTP answered when an upgrade was refused.
 * `client.ts` loads this file when it runs in Node; browsers never do.
 */
import { WebSocket } from "ws";
import { ABNORMAL } from "../api/close-codes.js";

/** How long `ws` waits, once either side has closed, for the connection to end: as long as the client does when it has closed. */
const CLOSE_TIMEOUT_MS = 5_000;
/** As much of a refusal's body is kept: our own servers' are one line. */
const MAX_BODY_BYTES = 1_024;

/** What HTTP answered instead of switching protocols. */
interface DialRefusal {
  readonly status: number;
  readonly body: string;
}

/** A socket of `ws` that knows how it was refused, and tells what has ended it. */
export class DialedSocket extends WebSocket {
  refusal: DialRefusal | undefined = undefined;

  constructor(url: string, protocols: readonly string[], headers: Readonly<Record<string, string>>) {
    const options = { headers, closeTimeout: CLOSE_TIMEOUT_MS };
    super(url, [...protocols], options);
    let hasFailed = false;
    this.once("error", () => {
      hasFailed = true;
    });
    this.once("upgrade", ({ socket }) => {
      // `ws` keeps the errors of an open socket (a reset, a broken pipe) to itself.
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
        // Tells `error` and `close`, as for any attempt that fails.
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
