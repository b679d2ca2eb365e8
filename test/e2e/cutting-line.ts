/** A line between a client and a server that cuts connections after a random number of bytes, until it has cut often enough. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** `"close"` ends both sockets, `"reset"` resets both, `"vanish"` leaves both as they are while nothing crosses any more. */
export type Cut = "close" | "reset" | "vanish";

export interface Cuts {
  /** How many connections are cut; the others live. */
  readonly count: number;
  /** How the next connection is cut, after how many bytes of both directions. */
  next(): { readonly cut: Cut; readonly bytes: number };
}

export class CuttingLine {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  /** How many connections were made over the line, and how many were cut. */
  connections = 0;
  cut = 0;

  private constructor(port: number, cuts: Cuts) {
    this.#server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      const plan = this.connections++ < cuts.count ? cuts.next() : undefined;
      let left = plan?.bytes ?? Number.POSITIVE_INFINITY;
      const pass = (to: Socket, chunk: Buffer): void => {
        if (left === 0) return;
        to.write(chunk.subarray(0, left));
        left -= Math.min(left, chunk.length);
        if (left > 0 || plan === undefined) return;
        this.cut++;
        if (plan.cut === "close") for (const socket of [near, far]) socket.end();
        if (plan.cut === "reset") for (const socket of [near, far]) socket.resetAndDestroy();
      };
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("data", (chunk) => pass(to, chunk));
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          // Of a line that has vanished neither end learns that the other has gone.
          if (left > 0 || plan?.cut !== "vanish") to.destroy();
        });
      }
    });
  }

  /** A line to a server on 127.0.0.1. The caller MUST close it. */
  static async to(port: number, cuts: Cuts): Promise<CuttingLine> {
    const line = new CuttingLine(port, cuts);
    line.#server.listen(0, "127.0.0.1");
    await once(line.#server, "listening");
    return line;
  }

  /** Where clients connect, without the scheme. */
  get host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return `127.0.0.1:${address.port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
