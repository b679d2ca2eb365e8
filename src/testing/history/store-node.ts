/** A server with the store under test, in the hands of a test of `testHistoryStore`. Ends when the test closes the node. */
import assert from "node:assert/strict";
import type {
  HistoryLimits,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";
import type { HandClock } from "../runtime/clock.js";
import { SuiteHost } from "./suite-host.js";

/** What a node heard of a room by its subscription. */
interface Heard {
  readonly entries: StoredMessage[];
  readonly end: () => void;
}

export class StoreNode {
  readonly store: HistoryStore;
  readonly host: SuiteHost;
  readonly #heard = new Map<string, Heard>();
  #wake: () => void = () => {};
  #isOpen = false;

  constructor(store: HistoryStore, clock: HandClock, limits: Partial<HistoryLimits>) {
    this.store = store;
    this.host = new SuiteHost(clock, limits);
  }

  async open(): Promise<this> {
    await this.store.open?.(this.host);
    this.#isOpen = true;
    return this;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const { end } of this.#heard.values()) end();
    this.#heard.clear();
    await this.store.close();
    assert.deepEqual(this.host.losses, [], "nothing is lost");
  }

  pass(ms: number): void {
    this.host.clock.pass(ms);
  }

  text(room: string, text: string): MessageToKeep {
    return { room, bytes: Buffer.from(text), isBinary: false, at: this.host.clock.now() };
  }

  /** Keeps texts, and tells their positions. */
  async keep(room: string, ...texts: string[]): Promise<string[]> {
    return await this.keepAll(
      room,
      texts.map((text) => this.text(room, text)),
    );
  }

  async keepOne(entry: MessageToKeep): Promise<string> {
    const [position] = await this.keepAll(entry.room, [entry]);
    assert.ok(position !== undefined);
    return position;
  }

  /** Messages of one room, in one turn. */
  async keepAll(room: string, entries: readonly MessageToKeep[]): Promise<string[]> {
    if (this.store.subscribe === undefined) {
      const positions = entries.map((entry) => this.store.append(entry));
      this.host.endTurn();
      return positions.map((position) => {
        assert.equal(typeof position, "string", "a store without subscribe returns the position");
        return position as string;
      });
    }
    const heard = await this.hear(room);
    const from = heard.length;
    for (const entry of entries) this.store.append(entry);
    this.host.endTurn();
    await this.until(() => heard.length >= from + entries.length);
    return heard.slice(from).map(({ position }) => position);
  }

  /** The list of what the subscription of a room brings, from now on. */
  async hear(room: string): Promise<readonly StoredMessage[]> {
    const known = this.#heard.get(room);
    if (known !== undefined) return known.entries;
    const entries: StoredMessage[] = [];
    const end = await this.store.subscribe?.(room, (entry) => {
      entries.push(entry);
      this.#wake();
    });
    assert.equal(typeof end, "function", "a subscription resolves with the function that ends the subscription");
    this.#heard.set(room, { entries, end: end as () => void });
    return entries;
  }

  endHearing(room: string): void {
    this.#heard.get(room)?.end();
    this.#heard.delete(room);
  }

  /** Resolves when `holds` returns `true`; asks at first, and whenever an entry comes. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  /** A reading that keeps the contract as far as a single reading can tell. */
  async read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    const reading = await this.store.read(room, query);
    const { outcome, entries, position } = reading;
    assert.ok(["complete", "gap", "unknown"].includes(outcome), `the outcome is one of three, not ${outcome}`);
    assert.ok(typeof position === "string" && position !== "", "a reading has a position");
    if (query.last !== undefined) assert.equal(outcome, "complete", "with last the outcome is complete");
    if (outcome !== "complete") assert.equal(entries.length, 0, `no entries with ${outcome}`);
    assert.ok(entries.length <= query.limit, "no more entries than the limit");
    const newest = entries.at(-1);
    if (newest !== undefined)
      assert.equal(position, newest.position, "the reading's position is that of the last entry");
    checkOrder(entries);
    for (const entry of entries) assert.equal(entry.room, room, "an entry is of the room that was asked for");
    return reading;
  }

  /** The outcome and the texts after a position: `"complete: a b"`. */
  async after(room: string, position: string, limit: number = this.host.maxMessages): Promise<string> {
    return show(await this.read(room, { after: position, limit }));
  }

  /** The newest texts: `"a b"`. */
  async last(
    room: string,
    last: number = this.host.maxMessages,
    limit: number = this.host.maxMessages,
  ): Promise<string> {
    return textsOf((await this.read(room, { last, limit })).entries);
  }

  /** The position of the last message, or of the start. */
  async position(room: string): Promise<string> {
    return (await this.read(room, { last: 0, limit: this.host.maxMessages })).position;
  }

  /** A position that is an anchor no more. */
  async isGone(room: string, position: string, why: string): Promise<void> {
    assert.match(await this.after(room, position), /^(gap|unknown)$/, why);
  }
}

export function checkOrder(entries: readonly StoredMessage[]): void {
  for (const [i, { position }] of entries.entries())
    assert.ok(i === 0 || position > (entries[i - 1]?.position ?? ""), "positions sort as strings");
}

export function textsOf(entries: readonly StoredMessage[]): string {
  return entries.map(({ bytes }) => Buffer.from(bytes).toString()).join(" ");
}

function show({ outcome, entries }: HistoryReading): string {
  return outcome === "complete" ? `complete: ${textsOf(entries)}` : outcome;
}
