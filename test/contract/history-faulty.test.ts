/**
 * Faulty builds of a store: each has a fault that an author of a store can make, and `testHistoryStore` finds each of them. Sound builds of
 * every kind pass: at once, late, surviving, shared by nodes.
 */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep, StoredMessage } from "sendall";
import { type HistoryStoreTest, testHistoryStore } from "sendall/testing/history-store";
import { describe, expect, test } from "vitest";
import { Build, Disk, Engine, LateBuild, perName } from "./history-builds.js";

type Setup = Omit<HistoryStoreTest, "test">;

/** The titles of the tests that fail. A subscription that brings nothing never ends: a test that waits for ever has failed. */
async function failing(setup: Setup): Promise<string[]> {
  const tests: { readonly title: string; readonly run: () => Promise<void> }[] = [];
  testHistoryStore({ ...setup, test: (title, run) => tests.push({ title, run }) });
  const failed: string[] = [];
  for (const { title, run } of tests) if (!(await passes(run))) failed.push(title);
  return failed;
}

/** As many rounds of the event loop as no sound build needs. */
const ROUNDS = 3_000;

async function passes(run: () => Promise<void>): Promise<boolean> {
  let outcome: boolean | undefined;
  run().then(
    () => {
      outcome = true;
    },
    () => {
      outcome = false;
    },
  );
  for (let i = 0; i < ROUNDS && outcome === undefined; i++) await new Promise(setImmediate);
  return outcome ?? false;
}

describe("a sound build", () => {
  test.each<[string, Setup]>([
    ["that answers at once", { create: () => new Build() }],
    ["that answers late", { create: () => new LateBuild() }],
    ["that survives", { create: perDisk((disk) => disk.store()), survives: true }],
    ["that nodes share", { create: perEngine(), survives: true }],
    ["without bytes and rooms", { create: () => new Unbounded(), without: ["maxBytes", "maxRooms"] }],
  ])("%s passes", async (_name, setup) => {
    expect(await failing(setup)).toEqual([]);
  });
});

function perDisk(make: (disk: Disk) => HistoryStore): Setup["create"] {
  const disks = perName(() => new Disk());
  return (name) => make(disks(name));
}

function perEngine(make: () => Engine = () => new Engine()): Setup["create"] {
  const engines = perName(make);
  return (name) => engines(name).node();
}

class Unbounded extends Build {
  override open(host: HistoryHost): void {
    super.open(changed(host, { maxBytes: 1e9, maxRooms: 1e9 }));
  }
}

/** A host with other limits, or other functions. */
function changed(host: HistoryHost, changes: Partial<HistoryHost>): HistoryHost {
  const { clock, log, maxMessages, maxBytes, maxAgeMs, maxRooms } = host;
  return {
    ...{ clock, log, maxMessages, maxBytes, maxAgeMs, maxRooms },
    newEpoch: () => host.newEpoch(),
    atTurnEnd: (step) => host.atTurnEnd(step),
    lost: (count, error) => host.lost(count, error),
    ...changes,
  };
}

type Change = (reading: HistoryReading, query: HistoryQuery, store: Build, room: string) => HistoryReading;

/** A build that answers otherwise. */
function answering(change: Change): Setup {
  class Answering extends Build {
    override read(room: string, query: HistoryQuery): HistoryReading {
      return change(this.inner.read(room, query), query, this, room);
    }
  }
  return { create: () => new Answering() };
}

/** A build whose entries come back otherwise. */
function entriesAs(change: (entry: StoredMessage) => StoredMessage): Setup {
  return answering((reading) => ({ ...reading, entries: reading.entries.map(change) }));
}

/** A build whose server has other facts. */
function hosted(change: (host: HistoryHost) => Partial<HistoryHost>): Setup {
  class Hosted extends Build {
    override open(host: HistoryHost): void {
      super.open(changed(host, change(host)));
    }
  }
  return { create: () => new Hosted() };
}

/** A build whose rooms have other names inside. */
function named(rename: (room: string) => string): Setup {
  class Named extends Build {
    override append(entry: MessageToKeep): string | undefined {
      return super.append({ ...entry, room: rename(entry.room) });
    }

    override read(room: string, query: HistoryQuery): HistoryReading {
      const { entries, ...rest } = this.inner.read(rename(room), query);
      return { ...rest, entries: entries.map((entry) => ({ ...entry, room })) };
    }
  }
  return { create: () => new Named() };
}

/** A build whose positions look otherwise. */
function positioned(write: (position: string) => string, parse: (text: string) => string): Setup {
  class Positioned extends Build {
    override append(entry: MessageToKeep): string | undefined {
      return write(super.append(entry) ?? "");
    }

    override read(room: string, { after, ...query }: HistoryQuery): HistoryReading {
      const reading = this.inner.read(room, { ...query, ...(after !== undefined && { after: parse(after) }) });
      const entries = reading.entries.map((entry) => ({ ...entry, position: write(entry.position) }));
      return { ...reading, entries, position: write(reading.position) };
    }
  }
  return { create: () => new Positioned() };
}

/** Every message of the room, as complete. */
const everything: Change = (_reading, { limit }, { inner }, room) => inner.read(room, { last: limit, limit });

class AfterTheTurn extends Build {
  #host: HistoryHost | undefined;
  readonly #waiting: MessageToKeep[] = [];

  override open(host: HistoryHost): void {
    this.#host = host;
    super.open(host);
  }

  override append(entry: MessageToKeep): string | undefined {
    this.#waiting.push(entry);
    this.#host?.atTurnEnd(() => {
      for (const one of this.#waiting.splice(0)) super.append(one);
    });
    return super.append({ ...entry, room: "elsewhere" });
  }
}

/** Takes no more than 16 MiB in a turn, and forgets the rest without a word. */
class Refusing extends Build {
  #host: HistoryHost | undefined;
  #waiting = 0;

  override open(host: HistoryHost): void {
    this.#host = host;
    super.open(host);
  }

  override append(entry: MessageToKeep): string | undefined {
    this.#waiting += entry.bytes.length;
    this.#host?.atTurnEnd(() => {
      this.#waiting = 0;
    });
    return this.#waiting > 16 * 1_048_576 ? undefined : super.append(entry);
  }
}

class Throwing extends Build {
  #isOpen = false;

  override open(host: HistoryHost): void {
    this.#isOpen = true;
    super.open(host);
  }

  override append(entry: MessageToKeep): string | undefined {
    if (!this.#isOpen) throw new Error("closed");
    return super.append(entry);
  }

  override close(): void {
    this.#isOpen = false;
    super.close();
  }
}

/** Each room has the same epoch whenever it is made. */
class SameEpoch extends Build {
  #room = "";

  override open(host: HistoryHost): void {
    const own = host.newEpoch().slice(0, 6);
    super.open(changed(host, { newEpoch: () => own + Buffer.from(this.#room).toString("hex").slice(-6) }));
  }

  override append(entry: MessageToKeep): string | undefined {
    this.#room = entry.room;
    return super.append(entry);
  }

  override read(room: string, query: HistoryQuery): HistoryReading {
    this.#room = room;
    return this.inner.read(room, query);
  }
}

/** The room that was read longest ago goes. */
class ReadingMatters extends Build {
  override read(room: string, query: HistoryQuery): HistoryReading {
    const { inner } = this;
    const reading = inner.read(room, query);
    const [newest] = inner.read(room, { last: 1, limit: 1 }).entries;
    if (newest !== undefined && room === "b" && query.last !== undefined) inner.append(newest);
    return reading;
  }
}

class Losing extends Build {
  override open(host: HistoryHost): void {
    super.open(host);
    host.lost(1, new Error("lost"));
  }
}

class Trimming extends Build {
  override trim(): void {
    this.inner.open(changed(this.host as HistoryHost, { maxAgeMs: -1 }));
    super.trim();
    this.inner.open(this.host as HistoryHost);
  }

  host: HistoryHost | undefined;
  override open(host: HistoryHost): void {
    this.host = host;
    super.open(host);
  }
}

class LiveList extends Build {
  readonly #lists = new Map<string, StoredMessage[]>();

  override read(room: string, query: HistoryQuery): HistoryReading {
    const reading = this.inner.read(room, query);
    const list = this.#lists.get(room) ?? [];
    list.splice(0, list.length, ...reading.entries);
    this.#lists.set(room, list);
    return { ...reading, entries: list };
  }

  override append(entry: MessageToKeep): string | undefined {
    const position = super.append(entry);
    if (this.#lists.has(entry.room)) this.read(entry.room, { last: 3, limit: 3 });
    return position;
  }
}

/** Tells what came since the call, too. */
class TooLate extends Build {
  override async read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    await new Promise(setImmediate);
    return this.inner.read(room, query);
  }
}

/** Writes at the end of a turn, and forgets the turn in which the store is closed. */
function forgetful(disk: Disk): HistoryStore {
  const store = disk.store();
  const waiting = new Set<string>();
  let host: HistoryHost | undefined;
  return {
    ...store,
    open: (opening) => {
      host = opening;
      store.open?.(opening);
    },
    append: (entry) => {
      waiting.add(entry.room);
      host?.atTurnEnd(() => waiting.clear());
      return store.append(entry);
    },
    read: (room, query) => (disk.forgotten.has(room) ? disk.memory.read("nothing", query) : store.read(room, query)),
    close: () => {
      for (const room of waiting) disk.forgotten.add(room);
      store.close();
    },
  };
}

/** What was written is read without a look at its age, and without a word on what has gone. */
function withoutAnchors(disk: Disk): HistoryStore {
  const store = disk.store();
  return {
    ...store,
    read: (room, query) => {
      const reading = disk.memory.read(room, query);
      return reading.outcome === "gap" ? disk.memory.read(room, { last: query.limit, limit: query.limit }) : reading;
    },
  };
}

class Deaf extends Engine {
  override node(): HistoryStore {
    const node = super.node();
    const own = new Set<Uint8Array>();
    return {
      ...node,
      append: (entry) => {
        own.add(entry.bytes);
        return node.append(entry);
      },
      subscribe: async (room, onEntry) => this.subscribe(room, (entry) => own.has(entry.bytes) || onEntry(entry)),
    };
  }
}

/** A node gets its own messages before those of others. */
class OwnFirst extends Engine {
  override node(): HistoryStore {
    const node = super.node();
    const own = new Set<Uint8Array>();
    return {
      ...node,
      append: (entry) => {
        own.add(entry.bytes);
        return node.append(entry);
      },
      subscribe: async (room, onEntry) =>
        this.subscribe(room, (entry) => (own.has(entry.bytes) ? onEntry(entry) : void setImmediate(onEntry, entry))),
    };
  }
}

class EveryRoom extends Engine {
  override subscribe(room: string, listener: (entry: StoredMessage) => void): () => void {
    const others = ["a", "b"].filter((other) => other !== room);
    const ends = [room, ...others].map((one) => super.subscribe(one, listener));
    return () => {
      for (const end of ends) end();
    };
  }
}

class Endless extends Engine {
  override subscribe(room: string, listener: (entry: StoredMessage) => void): () => void {
    super.subscribe(room, listener);
    return () => {};
  }
}

class Unsure extends Engine {
  override subscribe(room: string, listener: (entry: StoredMessage) => void): () => void {
    let end = () => {};
    setImmediate(() =>
      setImmediate(() => {
        end = super.subscribe(room, listener);
      }),
    );
    return () => end();
  }
}

class Nameless extends Engine {
  override deliver(listener: (entry: StoredMessage) => void, { source, ...entry }: StoredMessage): void {
    const named = { ...entry, ...(source !== undefined && { source: "" }) };
    void listener;
    void named;
    super.deliver(listener, named);
  }
}

const faults: Readonly<Record<string, Setup>> = {
  "newest first": answering((reading) => ({ ...reading, entries: reading.entries.toReversed() })),
  "every message is text": entriesAs((entry) => ({ ...entry, isBinary: false })),
  "bytes pass through a string": entriesAs((entry) => ({
    ...entry,
    bytes: Buffer.from(Buffer.from(entry.bytes).toString()),
  })),
  "the whole memory behind the bytes": entriesAs((entry) => ({ ...entry, bytes: new Uint8Array(entry.bytes.buffer) })),
  "an empty message is none": answering((reading) => ({
    ...reading,
    entries: reading.entries.filter(({ bytes }) => bytes.length > 0),
  })),
  "the source is forgotten": entriesAs(({ source, ...entry }) => ({ ...entry, ...(source === "" && { source }) })),
  "an absent source is an empty string": entriesAs((entry) => ({ ...entry, source: entry.source ?? "" })),
  "the time is that of the reading": entriesAs((entry) => ({ ...entry, at: entry.at + 1 })),
  "the time has lost its fraction": entriesAs((entry) => ({ ...entry, at: Math.floor(entry.at) })),
  "long messages are cut": entriesAs((entry) => ({ ...entry, bytes: entry.bytes.subarray(0, 65_536) })),
  "last tells the oldest": answering((reading, { last }, { inner }, room) =>
    last === undefined
      ? reading
      : { ...reading, entries: inner.read(room, { last: 9_999, limit: 9_999 }).entries.slice(0, last) },
  ),
  "last 0 tells everything": answering((reading, query, store, room) =>
    query.last === 0 ? everything(reading, query, store, room) : reading,
  ),
  "last heeds no limit": answering((reading, { last }, { inner }, room) =>
    last === undefined ? reading : inner.read(room, { last, limit: 9_999 }),
  ),
  "after tells the message of the position, too": answering((reading, { after, limit }, { inner }, room) => {
    if (after === undefined || reading.outcome !== "complete") return reading;
    const { entries } = inner.read(room, { last: limit, limit });
    return { ...reading, entries: entries.filter(({ position }) => position >= after) };
  }),
  "a gap is told as complete": answering((...args) => (args[0].outcome === "gap" ? everything(...args) : args[0])),
  "an unknown position tells everything": answering((...args) =>
    args[0].outcome === "unknown" ? everything(...args) : args[0],
  ),
  "unknown is told as a gap": answering((reading) =>
    reading.outcome === "unknown" ? { ...reading, outcome: "gap" } : reading,
  ),
  "a gap is told as unknown": answering((reading) =>
    reading.outcome === "gap" ? { ...reading, outcome: "unknown" } : reading,
  ),
  "a gap has the entries that are left": answering((reading, query, { inner }, room) =>
    reading.outcome === "gap"
      ? { ...reading, entries: inner.read(room, { last: query.limit, limit: query.limit }).entries }
      : reading,
  ),
  "beyond the limit a part is told": answering((reading, { after, limit }, { inner }, room) => {
    if (after === undefined) return reading;
    const whole = inner.read(room, { after, limit: 9_999 });
    return { ...whole, entries: whole.entries.slice(-limit) };
  }),
  "beyond the limit all is told": answering((reading, { after }, { inner }, room) =>
    after === undefined ? reading : inner.read(room, { after, limit: 9_999 }),
  ),
  "nothing missed is a gap": answering((reading, { after }) =>
    after !== undefined && reading.entries.length === 0 && reading.outcome === "complete"
      ? { ...reading, outcome: "gap" }
      : reading,
  ),
  "an empty room has no position": answering((reading, _query, { inner }, room) =>
    inner.read(room, { last: 1, limit: 1 }).entries.length === 0 ? { ...reading, position: "" } : reading,
  ),
  "a start is no anchor": answering((reading, { after }) =>
    after?.endsWith("-10") ? { outcome: "gap", entries: [], position: reading.position } : reading,
  ),
  "a start is an anchor for ever": answering((...args) =>
    args[1].after?.endsWith("-10") && args[0].outcome === "gap" ? everything(...args) : args[0],
  ),
  "the position is of the first message": answering((reading, { last }) => ({
    ...reading,
    position: last === undefined ? reading.position : (reading.entries[0]?.position ?? reading.position),
  })),
  "with a gap the position is what was asked for": answering((reading, { after }) =>
    reading.outcome === "gap" ? { ...reading, position: after ?? "" } : reading,
  ),
  "positions do not sort": positioned(
    (position) => position.replace(/-.(.+)$/, "-$1"),
    (text) =>
      text.replace(
        /^([0-9a-f]{12})-([1-9a-z][0-9a-z]*|0)$/,
        (_all, epoch, digits) => `${epoch}-${digits.length}${digits}`,
      ),
  ),
  "positions are trimmed": positioned(
    (position) => position,
    (text) => text.trim(),
  ),
  "positions are read as far as possible": positioned(
    (position) => position,
    (text) => /^[0-9a-f]{12}-(?:1[0-9a-z])/.exec(text)?.[0] ?? text,
  ),
  "a long position throws": positioned(
    (position) => position,
    (text) => {
      if (text.length > 100_000) throw new RangeError("too long");
      return text;
    },
  ),
  "a position that is no UTF-16 throws": positioned(
    (position) => position,
    (text) => {
      encodeURIComponent(text);
      return text;
    },
  ),
  "one epoch for all stores": hosted(() => ({ newEpoch: () => "000000000000" })),
  "one epoch for all rooms, numbers of the room": hosted((host) => {
    const epoch = host.newEpoch();
    return { newEpoch: () => epoch };
  }),
  "a room that comes back begins as before": { create: () => new SameEpoch() },
  "rooms in lower case": named((room) => room.toLowerCase()),
  "names are patterns": named((room) => room.replace(/^a[x%_]/, "a_")),
  "names are cut": named((room) => room.slice(0, 1_023)),
  "names end at a dot": named((room) => room.split(".")[0] ?? ""),
  "one message too many": hosted(({ maxMessages }) => ({ maxMessages: maxMessages + 1 })),
  "one message too few": hosted(({ maxMessages }) => ({ maxMessages: Math.max(1, maxMessages - 1) })),
  "messages are never too many": hosted(() => ({ maxMessages: 1e9 })),
  "bytes are never too many": hosted(() => ({ maxBytes: 1e9 })),
  "one byte too many": hosted(({ maxBytes }) => ({ maxBytes: maxBytes + 1 })),
  "one byte too few": hosted(({ maxBytes }) => ({ maxBytes: maxBytes - 1 })),
  "nothing ages": hosted(() => ({ maxAgeMs: 1e12 })),
  "messages age too early": hosted(({ maxAgeMs }) => ({ maxAgeMs: maxAgeMs - 10 })),
  "messages age too late": hosted(({ maxAgeMs }) => ({ maxAgeMs: maxAgeMs + 10 })),
  "rooms are never too many": hosted(() => ({ maxRooms: 1e9 })),
  "one room too few": hosted(({ maxRooms }) => ({ maxRooms: maxRooms - 1 })),
  "a room that is read stays longer": { create: () => new ReadingMatters() },
  "a trim takes all": { create: () => new Trimming() },
  "append shows at the end of the turn": { create: () => new AfterTheTurn() },
  "a reading tells what came later": { create: () => new TooLate() },
  "a reading changes afterwards": { create: () => new LiveList() },
  "a refused message leaves a hole": { create: () => new Refusing() },
  "append throws after the close": { create: () => new Throwing() },
  "something is lost": { create: () => new Losing() },
  "a store that does not survive says so of itself": { create: () => new Build(), survives: true },
  "close forgets what waits": { create: perDisk(forgetful), survives: true },
  "a survivor without anchors": { create: perDisk(withoutAnchors), survives: true },
  "a store that survives in secret": { create: perDisk((disk) => disk.store()) },
  "a node does not hear itself": { create: perEngine(() => new Deaf()), survives: true },
  "a node hears itself first": { create: perEngine(() => new OwnFirst()), survives: true },
  "a subscription hears other rooms": { create: perEngine(() => new EveryRoom()), survives: true },
  "a subscription does not end": { create: perEngine(() => new Endless()), survives: true },
  "a subscription is confirmed too early": { create: perEngine(() => new Unsure()), survives: true },
  "a subscription forgets the source": { create: perEngine(() => new Nameless()), survives: true },
};

describe("the conformance tests find", () => {
  test.each(Object.entries(faults))("%s", async (_name, setup) => {
    expect(await failing(setup)).not.toEqual([]);
  });
});
