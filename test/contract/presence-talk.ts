/**
 * A scenario for `explore`: people with several tabs come to rooms on three nodes, leave, show, and are lost in every way; nodes close or are
 * killed, and their links are cut. After quiet every node, every client and every handler has to know the truth. Limits and times are out of the seed.
 */
import type { ClusterAdapter, ClusterNode } from "sendall";
import type { DialledClient, Scenario, TestClient, TestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { ANCHOR, infoOf, keyOf, Ledger, Listener, ROOMS } from "./presence-ledger.js";

const NODES = 3;
const KEYS = ["ann", "bob", "eve"] as const;
const HEARTBEAT = { intervalMs: 10_000, timeoutMs: 10_000 };
/** Longer than whatever may be under way: a vanished client is noticed, a session and a grace end, a killed node is unheard, two beats heal. */
const QUIET_MS = 70_000;

/** A cluster in memory that loses packets, and whose links go down, as long as the scenario says so. */
export class Engine {
  /** The share of packets that a node does not get. */
  loss = 0;
  readonly #random: () => number;
  readonly #links: { node: ClusterNode; isDown: boolean }[] = [];
  readonly adapter: ClusterAdapter;

  constructor(random: () => number) {
    this.#random = random;
    const broker = memory();
    this.adapter = { name: "memory", open: (node) => this.#open(broker, node) };
  }

  /** Cuts a node off, or joins the node again. */
  toggle(index: number): void {
    const link = this.#links[index];
    if (link === undefined) return;
    link.isDown = !link.isDown;
    if (link.isDown) link.node.down(new Error("the cable is pulled"));
    else link.node.up();
  }

  mend(): void {
    this.loss = 0;
    for (const [i, { isDown }] of this.#links.entries()) if (isDown) this.toggle(i);
  }

  #open(broker: ClusterAdapter, node: ClusterNode) {
    const state = { node, isDown: false };
    this.#links.push(state);
    const link = broker.open({
      ...node,
      received: (subject, packet) => {
        if (!state.isDown && this.#random() >= this.loss) node.received(subject, packet);
      },
    });
    if (link instanceof Promise) throw new Error("memory() opens at once");
    const { maxPacketBytes } = link;
    return {
      maxPacketBytes,
      publish: (subject: string, packet: Uint8Array) => !state.isDown && link.publish(subject, packet),
      flush: () => link.flush(),
      subscribe: (subjects: readonly string[]) => link.subscribe(subjects),
      unsubscribe: (subjects: readonly string[]) => link.unsubscribe(subjects),
      close: () => link.close(),
    };
  }
}

/** Somebody's tab. */
interface Tab {
  readonly node: TestRuntime;
  readonly client: TestClient | DialledClient;
  readonly listener: Listener;
}

/** What a run had. */
export interface RunFacts {
  /** How many nodes were killed, and how many were closed. */
  readonly killed: number;
  readonly closed: number;
  readonly isLossy: boolean;
  readonly graceMs: number;
  /** How many keys are present in all rooms at the end. */
  readonly present: number;
}

export interface PresenceTalkOptions {
  /** How many steps a run has at most. Default 40. */
  readonly maxSteps?: number;
  /** Gets the facts of each run that has passed. */
  readonly onRun?: (facts: RunFacts) => void;
}

export function presenceTalk({ maxSteps = 40, onRun }: PresenceTalkOptions = {}): Scenario {
  return async ({ runtime, random }) => {
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const chance = (share: number): boolean => random() < share;
    const ledger = new Ledger();
    const engine = new Engine(random);
    const graceMs = pick(0, 0, 1_000, 5_000);
    const isAnchored = chance(0.5);
    /** Nothing is lost without a word, so that all is known as soon as a grace is over. */
    const isCalm = chance(0.3);
    const nodes = Array.from({ length: NODES }, (_, i) =>
      runtime({
        cluster: engine.adapter,
        heartbeat: HEARTBEAT,
        resume: { graceMs: 8_000 },
        presence: { graceMs, key: keyOf, info: infoOf, notice: (notice) => JSON.stringify({ notice }) },
        handler: ledger.handlerOf(i, isAnchored),
      }),
    );
    const tabs: Tab[] = [];
    const listeners: Listener[] = [];
    /** Clients that have vanished, at least once. */
    const lost = new Set<Tab["client"]>();
    const open = async (node: TestRuntime, key: string): Promise<Tab> => {
      const listener = new Listener(`tab ${listeners.length} of ${key}`);
      listeners.push(listener);
      const request = { name: `${key}-${listeners.length}`, query: { key, info: `${listeners.length}` } };
      const { onMessage } = listener;
      const client = chance(isCalm ? 0 : 0.3)
        ? node.dial("/", { ...request, onMessage, onOpen: ({ resumed }) => void (resumed || listener.reset()) })
        : await node.connect({ ...request, onMessage });
      return { node, client, listener };
    };
    const gone = new Set<TestRuntime>();
    const alive = (): TestRuntime[] => nodes.filter((node) => !gone.has(node));
    const advance = async (ms: number): Promise<void> => {
      await alive()[0]?.advance(ms);
      for (const listener of listeners) listener.check();
    };
    const settle = async (): Promise<void> => {
      await alive()[0]?.settle();
      for (const listener of listeners) listener.check();
    };
    /** Ends a node, with a goodbye or without. */
    const end = async (node: TestRuntime, verb: "close" | "kill"): Promise<void> => {
      gone.add(node);
      await node[verb]();
      // Nobody answers any more.
      for (const { client, node: own } of tabs) if (own === node) client.close();
    };

    // The nodes start in their order.
    for (const node of nodes) {
      await node.settle();
      if (!isAnchored) continue;
      const listener = new Listener("an anchor");
      listeners.push(listener);
      const anchor = await node.connect({ query: { key: ANCHOR }, onMessage: listener.onMessage });
      for (const room of ROOMS) anchor.send(`join ${room}`);
      await node.settle();
    }
    await settle();
    if (!isCalm) engine.loss = pick(0, 0, 0.1, 0.5);
    const isLossy = engine.loss > 0;

    const steps = 5 + Math.floor(random() * (maxSteps - 5));
    for (let step = 0; step < steps; step++) {
      const drawn = random();
      const tab = pick(...tabs);
      if (drawn < 0.15 || tab === undefined) tabs.push(await open(pick(...alive()), pick(...KEYS)));
      else if (drawn < 0.4) tab.client.send(`join ${pick(...ROOMS)}`);
      else if (drawn < 0.5) tab.client.send(`leave ${pick(...ROOMS)}`);
      else if (drawn < 0.62) tab.client.send(`show ${pick(1, 2, 3)}`);
      else if (drawn < 0.7) await settle();
      else if (drawn < 0.8) await advance(pick(1, 500, 1_000, 4_000, 12_000, 40_000));
      else if (drawn < 0.95)
        pick(
          () => tab.client.close(),
          () => tab.client.disconnect(),
          () => tab.client.disconnect(),
          () => tab.client.fail(),
          () => {
            lost.add(tab.client);
            if (isCalm) tab.client.close();
            else tab.client.vanish();
          },
        )();
      else if (drawn < 0.98) isCalm || engine.toggle(pick(0, 1, 2));
      else if (alive().length > 1) await end(pick(...alive()), isCalm ? "close" : pick("close", "kill"));
    }
    engine.mend();
    await settle();
    // Who came back later would say what has waited, within the quiet.
    for (const { client } of tabs)
      if ("state" in client && (client.state !== "open" || lost.has(client))) client.close();
    await settle();
    // Settled in between, so that no answer to a ping is late.
    for (let ms = 0; ms < (isCalm ? graceMs : QUIET_MS); ms += HEARTBEAT.timeoutMs / 2) {
      await advance(HEARTBEAT.timeoutMs / 2);
      await settle();
    }
    const present = ledger.check(
      nodes.map((node) => (gone.has(node) ? undefined : node.server)),
      listeners,
    );
    onRun?.({
      killed: nodes.filter(({ isKilled }) => isKilled).length,
      closed: [...gone].filter(({ isKilled }) => !isKilled).length,
      isLossy,
      graceMs,
      present,
    });
  };
}
