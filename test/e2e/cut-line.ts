/**
 * A line between clients and a server that holds at first, and is then cut again and again, each time after a random number of bytes in either direction: in the
 * middle of a handshake, of a frame's header or of a payload. The numbers come from a seed.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface CutLineOptions {
  readonly seed: number;
  /** How many sockets are cut before the line holds. */
  readonly cuts: number;
  /** A socket is cut after at most this many bytes. */
  readonly maxBytes: number;
}

/** A small generator of random numbers from 0 up to but not including 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** How many bytes may still cross. */
  left: number;
}

export class CutLine {
  readonly #server;
  readonly #pairs = new Set<Pair>();
  readonly #random: () => number;
  readonly #options: CutLineOptions;
  #hasBegun = false;
  /** How many sockets were cut, or are about to be. */
  cuts = 0;

  private constructor(port: number, options: CutLineOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#server = createServer((near) => this.#join(near, connect(port, "127.0.0.1")));
  }

  /** A line to a server on 127.0.0.1, which ends with the test. */
  static async to(port: number, options: CutLineOptions): Promise<CutLine> {
    const line = new CutLine(port, options);
    line.#server.listen(0, "127.0.0.1");
    await once(line.#server, "listening");
    onTestFinished(() => {
      for (const { near, far } of line.#pairs) for (const socket of [near, far]) socket.destroy();
      line.#server.close();
    });
    return line;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return address.port;
  }

  /** The line holds until now. */
  begin(): void {
    this.#hasBegun = true;
    for (const pair of this.#pairs) this.#limit(pair);
  }

  #limit(pair: Pair): void {
    if (!this.#hasBegun || this.cuts === this.#options.cuts) return;
    this.cuts++;
    pair.left = 1 + Math.floor(this.#random() * this.#options.maxBytes);
  }

  #join(near: Socket, far: Socket): void {
    const pair: Pair = { near, far, left: Number.POSITIVE_INFINITY };
    this.#pairs.add(pair);
    this.#limit(pair);
    // Half of the cuts are resets, which discard what the kernel has not handed on yet.
    const isReset = this.#random() < 0.5;
    const cut = (): void => {
      for (const socket of [near, far])
        if (isReset) socket.resetAndDestroy();
        else socket.destroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => {});
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      from.on("data", (chunk) => {
        const part = chunk.subarray(0, pair.left);
        pair.left -= part.length;
        if (pair.left === 0) to.write(part, cut);
        else if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
    }
  }
}
