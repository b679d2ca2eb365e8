/** A server's part for tests of stores that carry: opens a store by the real clock, appends, and remembers what the store says. Closed when the test is over. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { HistoryHost, HistoryLimits, HistoryStore, StoredMessage } from "sendall";
import { onTestFinished } from "vitest";
import { createClock } from "../../src/runtime/clock.js";
import { Lines } from "../unit/stage.js";
import { nextRound, until } from "./peers.js";

const LIMITS: HistoryLimits = { maxMessages: 5_000, maxBytes: 1_048_576, maxAgeMs: 600_000, maxRooms: 1_000 };

export class StoreUser {
  readonly store: HistoryStore;
  readonly log = new Lines();
  /** How many messages the store has reported as lost. */
  lost = 0;
  readonly #clock = createClock();
  readonly #limits: HistoryLimits;

  private constructor(store: HistoryStore, limits: Partial<HistoryLimits>) {
    this.store = store;
    this.#limits = { ...LIMITS, ...limits };
  }

  static async open(store: HistoryStore, limits: Partial<HistoryLimits> = {}): Promise<StoreUser> {
    const user = new StoreUser(store, limits);
    await store.open?.(user.#host());
    onTestFinished(() => user.store.close());
    return user;
  }

  #host(): HistoryHost {
    return {
      ...this.#limits,
      clock: this.#clock,
      log: this.log,
      newEpoch: () => randomBytes(6).toString("hex"),
      atTurnEnd: (step) => void setImmediate(step),
      lost: (count) => {
        this.lost += count;
      },
    };
  }

  /** Texts in the order in which the subscription brings the messages. */
  async hear(room: string): Promise<string[]> {
    const heard: string[] = [];
    await this.store.subscribe?.(room, (entry) => heard.push(textOf(entry)));
    return heard;
  }

  /** @returns whether the store has taken the message */
  append(room: string, text: string | Buffer, source?: string): boolean {
    if (this.store.isUp === false) return false;
    this.store.append({
      room,
      bytes: Buffer.from(text),
      isBinary: typeof text !== "string",
      at: this.#clock.now(),
      ...(source !== undefined && { source }),
    });
    return true;
  }

  /** Waits until the store is up, appends, and waits until the message can be read. @returns the message's position */
  async keep(room: string, text: string): Promise<string> {
    for (let lost = -1; ; ) {
      // A busy engine may be given up between the two.
      if (lost !== this.lost) {
        await this.up();
        lost = this.lost;
        this.append(room, text);
      }
      const read = Promise.resolve(this.store.read(room, { last: 1, limit: 1 }));
      const [entry] = await read.then(
        ({ entries }) => entries,
        () => [],
      );
      if (entry !== undefined && textOf(entry) === text) return entry.position;
    }
  }

  async up(): Promise<void> {
    await until(() => this.store.isUp !== false);
  }

  async down(): Promise<void> {
    await until(() => this.store.isUp === false);
  }

  /** The outcome, and the texts if complete: `"complete: a b"`. */
  async after(room: string, after: string): Promise<string> {
    const { outcome, entries } = await this.store.read(room, { after, limit: 5_000 });
    return outcome === "complete" ? `complete: ${entries.map(textOf).join(" ")}` : outcome;
  }

  async last(room: string): Promise<string> {
    const { entries } = await this.store.read(room, { last: 5_000, limit: 5_000 });
    return entries.map(textOf).join(" ");
  }

  async position(room: string): Promise<string> {
    return (await this.store.read(room, { last: 0, limit: 1 })).position;
  }
}

export function textOf({ bytes }: StoredMessage): string {
  return Buffer.from(bytes).toString();
}

/** Appends numbers with a name in front, as many as were allowed, until `stop`. Bounded, since a reader who was cut off is owed no more than a store keeps. */
export class Writer {
  readonly #user: StoreUser;
  readonly #name: string;
  readonly #room: string;
  #isOn = true;
  readonly #over: Promise<void>;
  #allowed = 0;
  taken = 0;

  constructor(user: StoreUser, name: string, room: string) {
    this.#user = user;
    this.#name = name;
    this.#room = room;
    this.#over = this.#run();
  }

  async #run(): Promise<void> {
    while (this.#isOn) {
      if (this.taken < this.#allowed && this.#user.append(this.#room, `${this.#name}${this.taken}`)) this.taken++;
      await nextRound();
    }
  }

  /** Lets the writer append further messages. */
  allow(count: number): void {
    this.#allowed = this.taken + count;
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#over;
  }
}

/** A network that delivers late what a node has said before the node was cut off: the engine's side of the connection stays. */
export class LateNetwork {
  readonly #server: Server;
  readonly #pairs: { readonly near: Socket; readonly far: Socket; readonly late: Buffer[] }[] = [];
  #isHeld = false;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const pair = { near, far: connect(port, "127.0.0.1"), late: [] as Buffer[] };
      this.#pairs.push(pair);
      const isHeld = this.#isHeld;
      near.on("data", (chunk) => {
        if (this.#isHeld && !isHeld) pair.late.push(chunk);
        else pair.far.write(chunk);
      });
      pair.far.on("data", (chunk) => near.write(chunk));
      near.on("error", () => {});
      pair.far.on("error", () => {});
    });
  }

  static async before(engine: { readonly port: number }): Promise<LateNetwork> {
    const network = new LateNetwork(engine.port);
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    onTestFinished(() => {
      for (const { near, far } of network.#pairs) for (const socket of [near, far]) socket.destroy();
      network.#server.close();
    });
    return network;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return address.port;
  }

  /** What comes on the connections that are there, waits. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Whether anything waits. */
  get holds(): boolean {
    return this.#pairs.some(({ late }) => late.length > 0);
  }

  /** The node's side of the connections that are there. */
  cut(): void {
    for (const { near } of this.#pairs) near.resetAndDestroy();
  }

  /** What waits goes to the engine, whose answers reach nobody. */
  async deliver(): Promise<void> {
    for (const { far, late } of this.#pairs.filter((pair) => pair.late.length > 0)) {
      if (!far.writable) continue;
      const isOver = Promise.race([once(far, "close"), once(far, "data")]);
      far.write(Buffer.concat(late));
      await isOver;
    }
  }
}
