/** A line between a client and a server, which the test silences: both ends keep their sockets, and nothing crosses. Or the test cuts it. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export class Line {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #isSilent = false;
  /** How many connections were made over the line. */
  connections = 0;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("data", (chunk) => to.write(chunk));
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        if (this.#isSilent) from.pause();
      }
    });
  }

  /** A line to a server on 127.0.0.1, which ends with the test. */
  static async to(port: number): Promise<Line> {
    const line = new Line(port);
    line.#server.listen(0, "127.0.0.1");
    await once(line.#server, "listening");
    onTestFinished(() => {
      for (const socket of line.#sockets) socket.destroy();
      line.#server.close();
    });
    return line;
  }

  /** Where clients connect, without the scheme. */
  get host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return `127.0.0.1:${address.port}`;
  }

  /** From now on nothing crosses in either direction, new connections included. */
  silence(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** As `silence`, and both ends lose the sockets that they have. */
  cut(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What was held up crosses, and all that follows. */
  restore(): void {
    this.#isSilent = false;
    for (const socket of this.#sockets) socket.resume();
  }
}
