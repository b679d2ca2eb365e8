/**
 * A scenario for `explore`: clients of three nodes follow a room whose store orders and carries, lose their sockets, go to another node, and say what they
 * have. Each client checks what it gets against the order of the engine. Delays and limits are out of the seed.
 */
import type { Scenario, TestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { expect } from "vitest";
import { Engine } from "./carrying-store.js";

export interface NodeFacts {
  readonly outcomes: Record<"complete" | "gap" | "unknown", number>;
  replayed: number;
  moves: number;
  refused: number;
}

interface Told {
  readonly id: string;
  readonly outcome: "complete" | "gap" | "unknown";
  readonly count: number;
  readonly position: string;
}

/** A client that follows the room, and checks what it gets of kept messages. */
class NodeFollower {
  readonly #engine: Engine;
  readonly #facts: NodeFacts;
  /** The position that the client has, and its index in the engine's log; -1 for a start. */
  known: string | undefined;
  #asked: { readonly after?: string; readonly last?: number } = {};
  #told: Told | undefined;
  #got: string[] = [];

  constructor(engine: Engine, facts: NodeFacts) {
    this.#engine = engine;
    this.#facts = facts;
  }

  ask(last: number): string {
    this.#asked = this.known === undefined ? { last } : { after: this.known };
    this.#got = [];
    this.#told = undefined;
    return JSON.stringify(this.#asked);
  }

  hear(text: string): void {
    if (text.startsWith("told ")) {
      this.#hearOutcome(JSON.parse(text.slice("told ".length)));
      return;
    }
    if (!text.startsWith("kept ")) return;
    this.#got.push(text);
    if (this.#told !== undefined) this.#checkLive(this.#told);
    this.known = this.#engine.log.find(({ bytes }) => bytes.toString() === text)?.position;
  }

  #indexOf(position: string): number {
    return this.#engine.log.findIndex((entry) => entry.position === position);
  }

  #texts(from: number, to: number | undefined, id: string): string[] {
    return this.#engine.log
      .slice(from, to)
      .filter(({ source }) => source !== id)
      .map(({ bytes }) => bytes.toString());
  }

  #hearOutcome(told: Told): void {
    const { id, outcome, count, position } = told;
    const { after } = this.#asked;
    this.#told = told;
    this.#facts.outcomes[outcome]++;
    this.#facts.replayed += count;
    expect(this.#got, "the replay comes before the outcome, and nothing else does").toHaveLength(count);
    const end = this.#indexOf(position) + 1;
    if (outcome === "complete" && after !== undefined && this.#indexOf(after) >= 0)
      expect(this.#got, "complete is exactly what the client misses").toEqual(
        this.#texts(this.#indexOf(after) + 1, end, id),
      );
    else if (count > 0)
      expect(this.#got, "the newest messages come in order").toEqual(this.#texts(0, end, id).slice(-count));
    if (end > 0 || this.known === undefined) this.known = position;
    this.#got = [];
  }

  /** What comes is a stretch of the engine's order without a hole, and begins after what was replayed at the latest. */
  #checkLive({ id, outcome, count, position }: Told): void {
    const [first = ""] = this.#got;
    const begin = this.#engine.log.findIndex(({ bytes }) => bytes.toString() === first);
    expect(this.#got, "what comes has no hole and no double").toEqual(
      this.#texts(begin, undefined, id).slice(0, this.#got.length),
    );
    const end = this.#indexOf(position);
    if (end < 0) return;
    const between = this.#texts(end + 1, begin, id);
    expect(between, "nothing is left out between the replay and what comes").toEqual([]);
    if (outcome === "complete" && count > 0) expect(begin, "nothing replayed comes again").toBeGreaterThan(end);
  }
}

/** @returns the scenario */
export function nodesTalk({ onRun }: { readonly onRun?: (facts: NodeFacts) => void } = {}): Scenario {
  return async ({ runtime, random }) => {
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const facts: NodeFacts = { outcomes: { complete: 0, gap: 0, unknown: 0 }, replayed: 0, moves: 0, refused: 0 };
    const slowest = pick(1, 20, 300);
    const maxMessages = pick(3, 10, 100);
    const engine = new Engine(maxMessages, () => Math.floor(random() * slowest));
    const cluster = memory();
    const stores = [engine.store(), engine.store(), engine.store()];
    const nodes: TestRuntime[] = stores.map((store) =>
      runtime({
        cluster,
        concurrency: "connection",
        heartbeat: { intervalMs: 20_000, timeoutMs: 10_000 },
        history: { store, maxMessages },
        async handler(event) {
          if (event.type !== "message") return;
          const { connection } = event;
          connection.leave("room");
          const { outcome, count, position } = await connection.follow("room", JSON.parse(event.text));
          if (outcome !== "refused")
            connection.send(`told ${JSON.stringify({ id: connection.id, outcome, count, position })}`);
        },
      }),
    );
    for (const node of nodes) await node.settle();
    const [any] = nodes as [TestRuntime, ...TestRuntime[]];
    let number = 0;
    const say = (): void => {
      const at = Math.floor(random() * nodes.length);
      const bus = nodes[at]?.server.route("*");
      const store = stores[at];
      if (bus === undefined || store === undefined) return;
      bus.sendall(`not kept ${++number}`, { room: "room" });
      const members = bus.members("room");
      const source = random() < 0.2 ? pick(...members) : undefined;
      const text = `kept ${++number}`;
      const receipt =
        source === undefined
          ? bus.sendall(text, { room: "room", keep: true })
          : bus.broadcast(text, source, { room: "room", keep: true });
      if (store.isUp) expect(receipt).toEqual({ targeted: 0, queued: 0, dropped: 0, dead: 0, forwarded: 1 });
      else {
        facts.refused++;
        const missed = members.length - (source === undefined ? 0 : 1);
        expect(receipt).toEqual({ targeted: missed, queued: 0, dropped: missed, dead: 0, forwarded: 0 });
      }
    };
    /** A client reports what a callback throws, and goes on. */
    const errors: unknown[] = [];
    const dial = (name: string, follower: NodeFollower) =>
      pick(...nodes).dial("/", {
        name,
        reconnect: { minMs: 100, maxMs: 1_000 },
        onMessage(data) {
          try {
            follower.hear(String(data));
          } catch (error) {
            errors.push(error);
          }
        },
        onOpen: () => client.get(follower)?.send(follower.ask(pick(0, 1, 3, 100))),
      });
    const client = new Map<NodeFollower, ReturnType<typeof dial>>();
    for (const name of ["ann", "bob", "cat"]) {
      const follower = new NodeFollower(engine, facts);
      client.set(follower, dial(name, follower));
    }
    const steps = 10 + Math.floor(random() * 40);
    for (let step = 0; step < steps && errors.length === 0; step++) {
      const drawn = random();
      if (drawn < 0.55) say();
      else if (drawn < 0.65) await any.settle();
      else if (drawn < 0.8) await any.advance(pick(1, 50, 500, 5_000));
      else if (drawn < 0.82) engine.flush();
      else if (drawn < 0.86) {
        const store = pick(...stores);
        store.isUp = !store.isUp;
      } else {
        const [follower, old] = pick(...client.entries());
        if (drawn < 0.93) pick(old.disconnect, old.vanish, old.stall, old.resume)();
        else {
          facts.moves++;
          old.close();
          client.set(follower, dial(`mover-${step}`, follower));
        }
      }
    }
    for (const one of client.values()) one.resume();
    await any.advance(60_000);
    if (errors.length > 0) throw errors[0];
    onRun?.(facts);
  };
}
