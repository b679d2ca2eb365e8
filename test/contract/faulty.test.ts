/**
 * Faulty builds of our own pieces: each has a fault of the kind that only some orders of events bring to light, and `explore` finds
 * each of them. The sound build passes the same scenarios (`SENDALL_RUNS` runs of each; 1,000 if it is not set).
 */
import type { ServerEvent } from "sendall";
import { ExploreFailure, type ExploreOptions, explore, type Scenario } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LiveConnection } from "../../src/actors/connection/connection.js";
import { Receiver } from "../../src/actors/connection/receiver.js";
import { Sender } from "../../src/actors/connection/sender.js";
import { Registry } from "../../src/actors/route/registry.js";
import { MemoryLink } from "../../src/testing/memory-transport/link.js";

const RUNS = 1_000;
const soundRuns = Number(process.env.SENDALL_RUNS ?? RUNS);

afterEach(() => {
  vi.restoreAllMocks();
});

const MAX_BUFFERED = 30;

/** A scenario, and how to put the fault that it is after into the build. */
interface Case {
  readonly scenario: Scenario;
  readonly spoil: () => void;
}

/** What a handler was told, in words, by connection. */
function note(events: Map<string, string[]>, event: ServerEvent): void {
  if (event.connection === undefined) return;
  const seen = events.get(event.connection.id) ?? [];
  events.set(event.connection.id, seen);
  seen.push(event.type === "message" ? event.text : event.type);
}

const cases: Readonly<Record<string, Case>> = {
  "a lost early frame": {
    async scenario({ runtime }) {
      const events = new Map<string, string[]>();
      const chat = runtime({ handler: (event) => note(events, event) });
      for (const nick of ["ann", "bob"]) {
        const socket = new chat.WebSocket(`/?nick=${nick}`);
        socket.onopen = () => socket.send("early");
      }
      await chat.settle();
      expect([...events.values()]).toEqual([
        ["open", "early"],
        ["open", "early"],
      ]);
    },
    /** What arrives before `open` is handled is not taken. */
    spoil() {
      const announced = new WeakSet<Receiver>();
      const { announce } = LiveConnection.prototype;
      vi.spyOn(LiveConnection.prototype, "announce").mockImplementation(function (this: LiveConnection) {
        announced.add(this.receiver);
        announce.call(this);
      });
      const { message } = Receiver.prototype;
      vi.spyOn(Receiver.prototype, "message").mockImplementation(function (this: Receiver, ...args) {
        if (announced.has(this)) message.apply(this, args);
      });
    },
  },

  "a double closed": {
    async scenario({ runtime }) {
      const events = new Map<string, string[]>();
      const chat = runtime({
        handler(event, bus) {
          note(events, event);
          if (event.type === "message") for (const one of bus.connections()) if (one !== event.connection) one.close();
        },
      });
      const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      ann.send("go");
      bob.close(4_000);
      await chat.settle();
      expect(events.get(bob.id)).toEqual(["open", "closed"]);
    },
    /** A close frame of the peer that crosses ours counts once more than it should. */
    spoil() {
      const closed = new WeakSet<Receiver>();
      const { close } = LiveConnection.prototype;
      const { onTransportClosed } = Receiver.prototype;
      vi.spyOn(LiveConnection.prototype, "close").mockImplementation(function (this: LiveConnection, ...args) {
        closed.add(this.receiver);
        return close.apply(this, args);
      });
      vi.spyOn(Receiver.prototype, "onTransportClosed").mockImplementation(function (this: Receiver, code, reason) {
        onTransportClosed.call(this, code, reason);
        if (closed.has(this) && code === 4_000) onTransportClosed.call(this, code, reason);
      });
    },
  },

  "a broadcast reordered between two recipients": {
    async scenario({ runtime }) {
      const chat = runtime({
        handler(event, bus) {
          if (event.type === "message") bus.sendall(event.text);
        },
      });
      const clients = [];
      for (const name of ["ann", "bob", "eve"]) clients.push(await chat.connect({ name }));
      for (const [i, client] of clients.entries()) client.send(String(i));
      await chat.settle();
      const [first, ...others] = clients.map(({ received }) => received);
      for (const received of others) expect(received).toEqual(first);
    },
    /** One of them gets two messages of one turn the wrong way round. */
    spoil() {
      const { write } = MemoryLink.prototype;
      vi.spyOn(MemoryLink.prototype, "write").mockImplementation(function (this: MemoryLink, frames) {
        return write.call(this, this.id.endsWith("2") && frames.length === 2 ? frames.toReversed() : frames);
      });
    },
  },

  "a member leaked after closed": {
    async scenario({ runtime }) {
      const chat = runtime({
        async handler(event, bus) {
          if (event.type !== "message") return;
          await bus.sleep(10);
          event.connection.join(event.text);
        },
      });
      const [ann] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      ann.send("room");
      ann.disconnect();
      await chat.advance(20);
      expect(chat.server.rooms()).toEqual([]);
    },
    /** Whoever has gone can still join. */
    spoil() {
      const registries = new WeakMap<object, Registry<LiveConnection>>();
      const { add } = Registry.prototype;
      vi.spyOn(Registry.prototype, "add").mockImplementation(function (this: Registry<LiveConnection>, member) {
        if (member instanceof LiveConnection) registries.set(member, this);
        add.call(this, member);
      });
      const { join } = LiveConnection.prototype;
      vi.spyOn(LiveConnection.prototype, "join").mockImplementation(function (this: LiveConnection, room) {
        if (!this.isOpen) registries.get(this)?.join(this, room);
        return join.call(this, room);
      });
    },
  },

  "a dropOldest that drops the newest": {
    async scenario({ runtime }) {
      const chat = runtime({
        outbox: { maxBufferedBytes: MAX_BUFFERED, slowConsumer: "dropOldest" },
        handler(event, bus) {
          if (event.type === "message") bus.broadcast(event.text, event.connection);
        },
      });
      const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      bob.stall();
      for (let i = 1; i <= 4; i++) ann.send(`message ${i}`);
      await chat.settle();
      bob.resume();
      await chat.settle();
      expect(bob.received.at(-1)).toBe("message 4");
    },
    spoil() {
      const { offer } = Sender.prototype;
      vi.spyOn(Sender.prototype, "offer").mockImplementation(function (this: Sender, frame) {
        if (this.bufferedBytes >= MAX_BUFFERED) this.flush();
        return this.bufferedBytes >= MAX_BUFFERED ? "dropped" : offer.call(this, frame);
      });
    },
  },
};

async function failureOf(scenario: Scenario, options: ExploreOptions): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, options).then(
    () => new Error("it passes"),
    (failure) => failure,
  );
  if (error instanceof ExploreFailure) return error;
  throw error;
}

describe.each(Object.entries(cases))("%s", (_name, { scenario, spoil }) => {
  test("is found, and the seed that is told plays it again", async () => {
    spoil();
    const { seed, trace, message } = await failureOf(scenario, { runs: RUNS });
    const again = await failureOf(scenario, { runs: 1, seed });
    expect([again.seed, again.trace, again.message]).toEqual([seed, trace, message]);
    expect(message).toContain(`seed: ${seed}`);
  });

  test(`is not in the sound build (${soundRuns} runs)`, async () => {
    await explore(scenario, { runs: soundRuns });
  }, 1_000_000);
});
