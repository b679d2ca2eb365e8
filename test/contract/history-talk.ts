/**
 * A scenario for `explore`: clients follow a room, lose their sockets, come back and say what they have, while messages are sent that are kept and that
 * are not. Each client checks what it gets against what the server has sent. Limits, times and the store are out of the seed.
 */
import type { Connection, HistoryStore, ServerEvent } from "sendall";
import type { DialledClient, Scenario, TestRuntime } from "sendall/testing";
import { expect } from "vitest";
import { MemoryHistory } from "../../src/history/memory.js";

/** What a run has brought about. */
export interface FollowFacts {
  /** The outcomes of all follows that clients have heard of. */
  readonly outcomes: Record<"complete" | "gap" | "unknown", number>;
  /** Messages replayed, and held back while a store took its time. */
  replayed: number;
  readonly isSlow: boolean;
}

/** A message of the room, as the server has sent it. */
interface Sent {
  readonly text: string;
  /** Of a kept message. */
  readonly position: string | undefined;
  readonly source: string | undefined;
}

/** What the handler tells a client about its follow. */
interface Told {
  readonly id: string;
  readonly outcome: "complete" | "gap" | "unknown";
  readonly count: number;
  readonly position: string;
  /** How many messages of the room had been sent when the connection joined. */
  readonly base: number;
}

export interface HistoryTalkOptions {
  readonly onRun?: (facts: FollowFacts) => void;
}

const NAMES = ["ann", "bob", "cat"];

/** Delays what another store answers, in virtual time. */
function slow(memory: HistoryStore, random: () => number): HistoryStore {
  let after: (ms: number, ring: () => void) => unknown = () => {};
  return {
    open(host) {
      after = (ms, ring) => host.clock.after(ms, ring);
      return memory.open?.(host);
    },
    append: (entry) => memory.append(entry),
    async read(room, query) {
      const answer = await memory.read(room, query);
      await new Promise<void>((resolve) => void after(1 + Math.floor(random() * 200), resolve));
      return answer;
    },
    trim: () => memory.trim(),
    close: () => memory.close(),
  };
}

/** A client that follows the room, and checks what it gets. */
class Follower {
  readonly #sent: readonly Sent[];
  readonly #facts: FollowFacts;
  /** The position of the last kept message that the client has, or where it follows from, and the index of what comes after. */
  #known: { readonly position: string; readonly next: number } | undefined;
  #asked: { readonly after: string; readonly next: number } | { readonly last: number } = { last: 0 };
  #told: Told | undefined;
  /** Room messages since the question, and after the outcome since the outcome. */
  #got: string[] = [];

  constructor(sent: readonly Sent[], facts: FollowFacts) {
    this.#sent = sent;
    this.#facts = facts;
  }

  /** @returns what to send to the server */
  ask(last: number): string {
    const known = this.#known;
    this.#asked = known === undefined ? { last } : { after: known.position, next: known.next };
    this.#got = [];
    this.#told = undefined;
    return JSON.stringify(known === undefined ? { last } : { after: known.position });
  }

  hear(text: string): void {
    if (text.startsWith("told ")) {
      this.#hearOutcome(JSON.parse(text.slice("told ".length)));
      return;
    }
    this.#got.push(text);
    if (this.#told !== undefined) this.#checkLive(this.#told);
    const index = this.#sent.findIndex((sent) => sent.text === text);
    const position = this.#sent[index]?.position;
    if (position !== undefined) this.#known = { position, next: index + 1 };
  }

  #hearOutcome(told: Told): void {
    const { id, outcome, count, position, base } = told;
    this.#told = told;
    this.#facts.outcomes[outcome]++;
    this.#facts.replayed += count;
    expect(this.#got, "the replay comes before the outcome, and nothing else does").toHaveLength(count);
    if (outcome !== "complete") expect(count).toBe(0);
    else if ("after" in this.#asked)
      expect(this.#got, "complete is exactly what the client misses").toEqual(
        this.#keptFor(id, this.#asked.next, base),
      );
    else
      expect(this.#got, "the newest messages come in order, without a hole").toEqual(
        count === 0 ? [] : this.#keptFor(id, 0, base).slice(-count),
      );
    this.#known = { position, next: base };
    this.#got = [];
  }

  /** What comes after the outcome is everything that was sent since the client has joined, in order. */
  #checkLive({ id, base }: Told): void {
    const live = this.#sent.slice(base).filter(({ source }) => source !== id);
    expect(this.#got, "what comes has no hole and no double").toEqual(
      live.slice(0, this.#got.length).map(({ text }) => text),
    );
  }

  #keptFor(id: string, from: number, to: number): string[] {
    const kept = this.#sent.slice(from, to).filter(({ position, source }) => position !== undefined && source !== id);
    return kept.map(({ text }) => text);
  }
}

/** @returns the scenario */
export function historyTalk({ onRun }: HistoryTalkOptions = {}): Scenario {
  return async ({ runtime, random }) => {
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const isSlow = random() < 0.5;
    const facts: FollowFacts = { outcomes: { complete: 0, gap: 0, unknown: 0 }, replayed: 0, isSlow };
    const sent: Sent[] = [];
    const maxMessages = pick(2, 5, 20, 100);
    const server: TestRuntime = runtime({
      // A serial handler would make everybody wait for the store.
      concurrency: isSlow ? "connection" : "serial",
      heartbeat: { intervalMs: 20_000, timeoutMs: 10_000 },
      resume: random() < 0.5 && { graceMs: 5_000 },
      history: {
        maxMessages,
        maxBytes: pick(40, 400, 1_048_576),
        maxAgeMs: pick(2_000, 60_000, 300_000),
        maxRooms: pick(1, 3, 100),
        ...(isSlow && { store: slow(new MemoryHistory(), random) }),
      },
      async handler(event: ServerEvent) {
        if (event.type !== "message") return;
        const { connection } = event;
        connection.leave("room");
        const base = sent.length;
        const { outcome, count, position } = await connection.follow("room", JSON.parse(event.text));
        if (outcome !== "refused")
          connection.send(`told ${JSON.stringify({ id: connection.id, outcome, count, position, base })}`);
      },
    });
    await server.settle();
    const bus = server.server.route("*");
    let number = 0;
    const say = (): void => {
      const text = `${++number}${"x".repeat(pick(0, 0, 3, 60))}`;
      const keep = random() < 0.7;
      const source = random() < 0.2 ? (pick(...bus.members("room")) as Connection | undefined) : undefined;
      const at = sent.length;
      sent.push({ text, position: undefined, source: source?.id });
      const receipt =
        source === undefined
          ? bus.sendall(text, { room: "room", keep })
          : bus.broadcast(text, source, { room: "room", keep });
      sent[at] = { text, position: receipt.position, source: source?.id };
      expect(receipt.position !== undefined).toBe(keep);
    };
    /** The client reports what a callback throws, and goes on. */
    const errors: unknown[] = [];
    const clients = NAMES.map((name) => {
      const follower = new Follower(sent, facts);
      const client: DialledClient = server.dial("/", {
        name,
        reconnect: { minMs: 100, maxMs: 1_000 },
        onMessage(data) {
          try {
            follower.hear(String(data));
          } catch (error) {
            errors.push(error);
          }
        },
        onOpen: ({ resumed }) => {
          if (!resumed) client.send(follower.ask(pick(0, 1, 3, 100)));
        },
      });
      return { client, follower };
    });
    const steps = 10 + Math.floor(random() * 30);
    for (let step = 0; step < steps; step++) {
      const drawn = random();
      if (drawn < 0.6) say();
      else if (drawn < 0.7) await server.settle();
      else if (drawn < 0.8) await server.advance(pick(1, 50, 500, 5_000, 100_000));
      else if (drawn < 0.9)
        for (let i = 0; i < 3; i++) bus.sendall("elsewhere", { room: `other-${pick(1, 2, 3)}`, keep: true });
      else {
        const { client } = pick(...clients);
        pick(client.disconnect, client.vanish, client.stall, client.resume)();
      }
    }
    if (errors.length > 0) throw errors[0];
    for (const { client } of clients) client.resume();
    await server.advance(60_000);
    say();
    await server.settle();
    if (errors.length > 0) throw errors[0];
    onRun?.(facts);
  };
}
