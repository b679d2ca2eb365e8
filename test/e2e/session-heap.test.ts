/** What sessions cost in memory: a server in a process of its own, and 1,000 peers that speak `sendall.1` and are cut in a burst. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { clientFrame, until, upgradeRequest } from "./peers.js";

const COUNT = 1_000;
const ROUNDS = 10;
/** Memory beside the messages themselves, for each message and each connection that it is kept for. */
const BYTES_PER_FRAME = 64;

/** The server of `programs/keeping.js`. */
class Keeper {
  readonly #child: ChildProcess;

  constructor() {
    const program = fileURLToPath(new URL("./programs/keeping.js", import.meta.url));
    this.#child = fork(program, { execArgv: ["--expose-gc"] });
    onTestFinished(async () => {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    });
  }

  async ask(question: string): Promise<unknown> {
    const answer = once(this.#child, "message");
    this.#child.send(question);
    return (await answer)[0];
  }

  async number(question: string): Promise<number> {
    return Number(await this.ask(question));
  }

  /** Asks until this is the state; the test's own limit ends it if it never is. */
  async reaches(state: readonly number[]): Promise<void> {
    while (JSON.stringify(await this.ask("state")) !== JSON.stringify(state));
  }
}

/** A socket that speaks the wire of sessions. */
class Peer {
  readonly #socket: Socket;
  token = "";
  isWelcome = false;
  messages = 0;
  #rest: Buffer = Buffer.alloc(0);
  #hasHead = false;

  constructor(port: number, offer = "") {
    this.#socket = connect({ host: "127.0.0.1", port });
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk) => this.#read(chunk));
    const names = offer === "" ? "sendall.1" : `sendall.1, ${offer}`;
    this.#socket.write(upgradeRequest().replace("\r\n\r\n", `\r\nSec-WebSocket-Protocol: ${names}\r\n\r\n`));
  }

  send(text: string): void {
    this.#socket.write(clientFrame(text));
  }

  /** Reads nothing more. */
  stop(): void {
    this.#socket.pause();
  }

  cut(): void {
    this.#socket.resetAndDestroy();
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#hasHead) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#hasHead = true;
      this.#rest = this.#rest.subarray(end + 4);
    }
    for (;;) {
      const short = (this.#rest[1] ?? 0) & 127;
      const header = short === 126 ? 4 : 2;
      if (this.#rest.length < header) return;
      const end = header + (short === 126 ? this.#rest.readUInt16BE(2) : short);
      if (this.#rest.length < end) return;
      this.#take(this.#rest.subarray(header, end).toString());
      this.#rest = this.#rest.subarray(end);
    }
  }

  #take(text: string): void {
    if (!text.startsWith("~")) this.messages++;
    else if (text.startsWith("~{")) {
      this.token = JSON.parse(text.slice(1)).session;
      this.isWelcome = true;
    }
  }
}

/** Opens sockets, some at a time, as the system's queue of new connections has an end. */
async function join(port: number, offers: readonly string[]): Promise<Peer[]> {
  const peers: Peer[] = [];
  while (peers.length < offers.length) {
    peers.push(...offers.slice(peers.length, peers.length + 250).map((offer) => new Peer(port, offer)));
    await until(() => peers.every(({ isWelcome }) => isWelcome));
  }
  return peers;
}

test("1,000 peers cut in a burst cost the messages once and 64 bytes for each kept frame, and ten rounds leave nothing", async () => {
  const keeper = new Keeper();
  const port = Number(new URL(String(await keeper.ask("url"))).port);
  let received = 0;
  /** @returns the heap with all peers away */
  async function lose(bursts: number): Promise<{ peers: Peer[]; kept: number; heap: number }> {
    const peers = await join(port, new Array(COUNT).fill(""));
    for (const peer of peers) peer.send("hello");
    received += COUNT;
    await keeper.reaches([COUNT, 0, received, COUNT]);
    // Half of a burst is in sockets and kernels when all are cut.
    for (const peer of peers) peer.stop();
    let kept = 0;
    for (let i = 0; i < bursts; i++) {
      if (i === 1) {
        for (const peer of peers) peer.cut();
        await keeper.reaches([COUNT, COUNT, received, COUNT]);
      }
      kept += await keeper.number("burst");
    }
    for (const peer of peers) peer.cut();
    await keeper.reaches([COUNT, COUNT, received, COUNT]);
    return { peers, kept, heap: await keeper.number("heap") };
  }
  const bare = await lose(0);
  const weight = await keeper.number("weight");
  await keeper.ask("terminate");
  const ends: number[] = [];
  const grown: number[] = [];
  let frames = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const { peers, kept, heap } = await lose(2);
    frames = kept;
    grown.push(heap - bare.heap);
    if (round === ROUNDS / 2) {
      // All come back, and get all.
      const back = await join(
        port,
        peers.map(({ token }) => `sendall.1.${token}.0.0.1`),
      );
      await until(() => back.every(({ messages }) => messages === kept));
      for (const peer of back) peer.cut();
      await keeper.reaches([COUNT, COUNT, received, COUNT]);
    }
    await keeper.ask("terminate");
    await keeper.reaches([0, 0, received, 0]);
    ends.push(await keeper.number("heap"));
  }
  expect(frames).toBe(126);
  const allowed = 2 * weight + BYTES_PER_FRAME * frames * COUNT;
  for (const bytes of grown) expect(bytes).toBeLessThan(allowed);
  // The messages themselves are there: each round has kept them.
  for (const bytes of grown) expect(bytes).toBeGreaterThan(weight);
  const [, second = 0] = ends;
  expect((ends.at(-1) ?? 0) - second).toBeLessThan(1_000_000);
}, 300_000);
