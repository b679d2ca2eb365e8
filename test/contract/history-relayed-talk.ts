/**
 * A scenario for `explore`: clients of three nodes with a store in memory each follow a room over an adapter that orders, lose their sockets, go to another
 * node, and say what they have. Rooms of a node empty and fill. Each client checks what it gets against the one order of the room.
 */
import type { Scenario, TestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { expect } from "vitest";

export interface RelayedFacts {
  readonly outcomes: Record<"complete" | "gap" | "unknown", number>;
  replayed: number;
  moves: number;
}

interface Told {
  readonly id: string;
  readonly outcome: "complete" | "gap" | "unknown";
  readonly count: number;
  readonly position: string;
}

/** The one order, as a member sees it that never leaves. */
class Order {
  readonly texts: string[] = [];
  /** How many kept messages were handed to the cluster. */
  sent = 0;

  indexOf(text: string): number {
    return this.texts.indexOf(text);
  }
}

/** What a client has: a position, and the last message at it; without a message, how many messages had been sent when the client was told. */
interface Known {
  readonly position: string;
  readonly text: string | undefined;
  readonly sent: number;
}

class RelayedFollower {
  readonly #order: Order;
  readonly #facts: RelayedFacts;
  #known: Known | undefined;
  #asked: Known | undefined;
  #told: Told | undefined;
  #got: string[] = [];
  /** Checked at the end, when the order is known. */
  readonly checks: (() => void)[] = [];

  constructor(order: Order, facts: RelayedFacts) {
    this.#order = order;
    this.#facts = facts;
  }

  ask(last: number): string {
    this.#asked = this.#known;
    this.#got = [];
    this.#told = undefined;
    return JSON.stringify(this.#asked === undefined ? { last } : { after: this.#asked.position });
  }

  hear(data: string): void {
    if (data.startsWith("told ")) {
      this.#hearOutcome(JSON.parse(data.slice("told ".length)));
      return;
    }
    const [, text = "", position = ""] = /^(kept \d+)@(.*)$/.exec(data) ?? [];
    if (text === "") return;
    this.#got.push(text);
    this.#known = { position, text, sent: this.#order.sent };
    if (this.#told !== undefined) this.#checkStretch([...this.#got]);
  }

  #hearOutcome(told: Told): void {
    const { outcome, count, position } = told;
    const asked = this.#asked;
    const replay = this.#got;
    this.#told = told;
    this.#facts.outcomes[outcome]++;
    this.#facts.replayed += count;
    expect(replay, "the replay comes before the outcome, and nothing else does").toHaveLength(count);
    this.#checkStretch([...replay]);
    if (outcome === "complete" && asked !== undefined) this.#checkAfter(asked, replay);
    if (replay.length === 0 && position !== asked?.position)
      this.#known = { position, text: undefined, sent: this.#order.sent };
    // What comes has to follow upon what was replayed.
    this.#got = [...replay];
  }

  #checkStretch(got: readonly string[]): void {
    this.checks.push(() => {
      const begin = this.#order.indexOf(got[0] ?? "");
      const end = begin + got.length;
      if (got.length > 0)
        expect(got, "what comes is a stretch of the one order, without hole or double").toEqual(
          this.#order.texts.slice(begin, end),
        );
    });
  }

  #checkAfter({ text, sent }: Known, replay: readonly string[]): void {
    this.checks.push(() => {
      const first = this.#order.indexOf(replay[0] ?? "");
      if (text !== undefined && first >= 0)
        expect(first, "complete begins right after the position").toBe(this.#order.indexOf(text) + 1);
      if (text === undefined && first >= 0)
        expect(first, "complete leaves out nothing that was sent after the position was told").toBeLessThanOrEqual(
          sent,
        );
    });
  }
}

/** @returns the scenario */
export function relayedTalk({ onRun }: { readonly onRun?: (facts: RelayedFacts) => void } = {}): Scenario {
  return async ({ runtime, random }) => {
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const facts: RelayedFacts = { outcomes: { complete: 0, gap: 0, unknown: 0 }, replayed: 0, moves: 0 };
    const order = new Order();
    const cluster = memory();
    const node = (): TestRuntime =>
      runtime({
        cluster,
        // The member that sees the order must not be cut.
        heartbeat: false,
        // Alarms may ring before the promises of a subscription have settled.
        handlerTimeoutMs: 3_600_000,
        history: { maxMessages: pick(3, 10, 100), stamp: (data, position) => `${data}@${position}` },
        async handler(event) {
          if (event.type !== "message") return;
          const { connection } = event;
          connection.leave("room");
          if (event.text === "leave") return;
          const { outcome, count, position } = await connection.follow("room", JSON.parse(event.text));
          if (outcome !== "refused")
            connection.send(`told ${JSON.stringify({ id: connection.id, outcome, count, position })}`);
        },
      });
    // The first node hears everything, and has the member that sees the order.
    const first = node();
    const observer = await first.connect({
      name: "observer",
      onMessage: (data) => {
        const [, text] = /^(kept \d+)@/.exec(String(data)) ?? [];
        if (text !== undefined) order.texts.push(text);
      },
    });
    observer.send('{"last":0}');
    await first.settle();
    const nodes = [first, node(), node()];
    for (const one of nodes) await one.settle();
    const say = (): void => {
      const receipt = pick(...nodes)
        .server.route("*")
        .sendall(`kept ${order.sent}`, { room: "room", keep: true });
      expect(receipt).toEqual({ targeted: 0, queued: 0, dropped: 0, dead: 0, forwarded: 1 });
      order.sent++;
    };
    /** A client reports what a callback throws, and goes on. */
    const errors: unknown[] = [];
    const dial = (name: string, follower: RelayedFollower) =>
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
        onOpen: () => clients.get(follower)?.send(follower.ask(pick(0, 1, 3, 100))),
      });
    const clients = new Map<RelayedFollower, ReturnType<typeof dial>>();
    for (const name of ["ann", "bob", "cat"]) {
      const follower = new RelayedFollower(order, facts);
      clients.set(follower, dial(name, follower));
    }
    const steps = 10 + Math.floor(random() * 40);
    for (let step = 0; step < steps && errors.length === 0; step++) {
      const drawn = random();
      const [follower, client] = pick(...clients.entries());
      if (drawn < 0.55) say();
      else if (drawn < 0.68) await first.settle();
      else if (drawn < 0.76) await first.advance(pick(1, 50, 500, 5_000));
      else if (drawn < 0.84) pick(client.disconnect, client.stall, client.resume)();
      else if (drawn < 0.93 && client.state === "open") client.send("leave");
      else {
        facts.moves++;
        client.close();
        clients.set(follower, dial(`mover-${step}`, follower));
      }
    }
    for (const one of clients.values()) one.resume();
    await first.advance(60_000);
    if (errors.length > 0) throw errors[0];
    expect(order.texts).toHaveLength(order.sent);
    for (const { checks } of clients.keys()) for (const check of checks) check();
    onRun?.(facts);
  };
}
