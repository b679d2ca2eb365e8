/** The contract, line by line (docs/reference/contract.md), over every transport. */
import fc from "fast-check";
import type { Connection, Receipt } from "sendall";
import { describe, expect, test } from "vitest";
import { nextRound } from "../../src/testing/runtime/driver.js";
import { hasCloseFrames, type StageClient, stages } from "./stage.js";

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** One client of a script, and what it did. */
interface Life {
  readonly client: StageClient;
  readonly sent: string[];
  end: string | undefined;
}

const small = fc.integer({ min: 1, max: 6 });
const concurrency = fc.constantFrom<"serial" | "connection">("serial", "connection");

describe.each(stages)("the contract over %s", (name, plays) => {
  // One read of 64 KiB may bring more than the bound; a client's frames have at least 7 bytes. Memory delivers one by one.
  const overshoot = name.startsWith("memory") ? 0 : Math.ceil(65_536 / 7);

  test("1: a connection's events are open, its messages in order, at most one error, and closed once and last", async () => {
    const ending = fc.constantFrom("stay", "close", "fail", "server");
    const lives = fc.array(fc.record({ messages: fc.nat({ max: 30 }), ending }), { minLength: 1, maxLength: 6 });
    await plays(lives, async (clients, open) => {
      const seen = new Map<string, string[]>();
      const stage = await open({
        handler(event) {
          if (event.connection === undefined) return;
          const events = seen.get(event.connection.id) ?? [];
          seen.set(event.connection.id, events);
          events.push(event.type === "message" ? `message ${event.text}` : event.type);
          if (event.type === "message" && event.text === "close me") event.connection.close();
        },
      });
      const ids: string[] = [];
      for (const { messages, ending } of clients) {
        const client = await stage.connect();
        ids.push(client.id);
        for (let i = 0; i < messages; i++) client.send(String(i));
        if (ending === "fail") await stage.settle();
        if (ending === "close") client.close(1000, "done");
        if (ending === "fail") client.fail();
        if (ending === "server") client.send("close me");
      }
      await stage.settle();
      for (const [i, { messages, ending }] of clients.entries()) {
        const events = seen.get(ids[i] ?? "") ?? [];
        const sent = Array.from({ length: messages }, (_, n) => `message ${n}`);
        const expected = ["open", ...sent];
        if (ending === "server") expected.push("message close me");
        if (ending !== "stay") expected.push("closed");
        expect(events.filter((event) => event !== "error")).toEqual(expected);
        expect(events.filter((event) => event === "error").length).toBeLessThanOrEqual(ending === "fail" ? 1 : 0);
      }
    });
  });

  test("1: open comes first and closed once and last in whatever order connections come, talk, leave, fail and are closed", async () => {
    const act = fc.constantFrom("send", "send", "send", "close", "fail", "kick", "close and kick");
    const script = fc.array(fc.tuple(fc.nat({ max: 3 }), act, fc.nat({ max: 12 })), { minLength: 1, maxLength: 40 });
    const play = fc.record({ steps: script, rounds: fc.nat({ max: 2 }) });
    await plays(play, async ({ steps, rounds }, open) => {
      const seen = new Map<string, string[]>();
      const stage = await open({
        async handler(event) {
          if (event.connection === undefined) return;
          const events = seen.get(event.connection.id) ?? [];
          seen.set(event.connection.id, events);
          events.push(event.type === "message" ? event.text : event.type);
          // It takes its time, so that others wait while their connections end.
          for (let i = 0; i < rounds; i++) await nextRound();
        },
      });
      const kick = (id: string): void => {
        stage.server
          .connections()
          .find((connection) => connection.id === id)
          ?.close(4000, "kicked");
      };
      const lives: Life[] = [];
      // Four seats; whoever leaves one makes room for somebody new.
      const seats: (Life | undefined)[] = [];
      for (const [seat, act, burst] of steps) {
        const life = seats[seat] ?? { client: await stage.connect(), sent: [], end: undefined };
        if (seats[seat] === undefined) lives.push(life);
        seats[seat] = act === "send" ? life : undefined;
        const { client, sent } = life;
        for (let i = 0; i < burst; i++) {
          sent.push(String(sent.length));
          client.send(String(sent.length - 1));
        }
        if (act === "send") continue;
        life.end = act;
        if (act === "close" || act === "close and kick") client.close(1000, "done");
        if (act === "kick" || act === "close and kick") kick(client.id);
        if (act === "fail") client.fail();
      }
      await stage.settle();
      expect(seen.size).toBe(lives.length);
      for (const { client, sent, end } of lives) {
        const [first, ...events] = seen.get(client.id) ?? [];
        expect(first).toBe("open");
        if (end !== undefined) expect(events.pop()).toBe("closed");
        if (end === "fail" && events.at(-1) === "error") events.pop();
        // A reset overtakes what is on its way, and our side's closing discards what waits: what is there has no gap.
        const isWhole = end === undefined || end === "close";
        expect(events).toEqual(isWhole ? sent : sent.slice(0, events.length));
      }
    });
  });

  test("1: what arrives while an async open is running is handled after it", async () => {
    await plays(small, async (messages, open) => {
      const events: string[] = [];
      const opening = gate();
      const stage = await open({
        async handler(event) {
          if (event.type === "open") await opening.opened;
          if (event.type === "open" || event.type === "message") events.push(event.type);
        },
      });
      const client = await stage.connect();
      for (let i = 0; i < messages; i++) client.send(String(i));
      await stage.until(() => stage.server.stats().received.messages === messages);
      expect(events).toEqual([]);
      opening.open();
      await stage.settle();
      expect(events).toEqual(["open", ...Array<string>(messages).fill("message")]);
    });
  });

  test("2: the handler runs one event at a time, and an async handler is awaited", async () => {
    const plan = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })), { minLength: 1, maxLength: 20 });
    await plays(plan, async (messages, open) => {
      let running = 0;
      let most = 0;
      const stage = await open({
        async handler(event) {
          most = Math.max(most, ++running);
          if (event.type === "message") for (let i = Number(event.text); i > 0; i--) await nextRound();
          running--;
        },
      });
      const clients = [await stage.connect(), await stage.connect(), await stage.connect(), await stage.connect()];
      for (const [who, rounds] of messages) clients[who]?.send(String(rounds));
      await stage.settle();
      expect(most).toBe(1);
    });
  });

  test('2: with concurrency "connection" different connections run side by side, each one event at a time', async () => {
    await plays(fc.integer({ min: 2, max: 6 }), async (count, open) => {
      const running = new Map<string, number>();
      const all = gate();
      const order: string[] = [];
      let overlap = 0;
      const stage = await open({
        concurrency: "connection",
        async handler(event) {
          if (event.type !== "message") return;
          const { id } = event.connection;
          running.set(id, (running.get(id) ?? 0) + 1);
          overlap = Math.max(overlap, ...running.values());
          if (event.text === "wait" && running.size === count) all.open();
          if (event.text === "wait") await all.opened;
          order.push(`${id} ${event.text}`);
          running.set(id, (running.get(id) ?? 0) - 1);
        },
      });
      const clients = [];
      for (let i = 0; i < count; i++) clients.push(await stage.connect());
      for (const client of clients) {
        client.send("wait");
        client.send("after");
      }
      await stage.settle();
      expect(overlap).toBe(1);
      for (const { id } of clients)
        expect(order.filter((line) => line.startsWith(id))).toEqual([`${id} wait`, `${id} after`]);
    });
  });

  test("3: every recipient sees the sends in the order of the calls, also those of a handler that then threw", async () => {
    const call = fc.record({
      who: fc.nat({ max: 3 }),
      verb: fc.constantFrom("unicast", "broadcast", "sendall"),
      throws: fc.boolean(),
    });
    await plays(fc.array(call, { minLength: 1, maxLength: 30 }), async (calls, open) => {
      const sent = new Map<string, string[]>();
      let number = 0;
      const note = (ids: readonly string[], text: string): void => {
        for (const id of ids) sent.set(id, [...(sent.get(id) ?? []), text]);
      };
      const stage = await open({
        supervise: { intensity: 1_000 },
        handler(event, bus) {
          if (event.type !== "message") return;
          const { verb, throws } = calls[Number(event.text)] ?? {};
          const ids = bus.connections().map(({ id }) => id);
          const { connection } = event;
          const text = `${verb} ${number++}`;
          const next = `next ${number++}`;
          if (verb === "unicast") bus.unicast(text, connection);
          if (verb === "broadcast") bus.broadcast(text, connection);
          if (verb === "sendall") bus.sendall(text);
          bus.sendall(next);
          note(
            verb === "unicast" ? [connection.id] : ids.filter((id) => verb === "sendall" || id !== connection.id),
            text,
          );
          note(ids, next);
          if (throws) throw new Error("after sending");
        },
      });
      const clients = [await stage.connect(), await stage.connect(), await stage.connect(), await stage.connect()];
      for (const [i, { who }] of calls.entries()) clients[who]?.send(String(i));
      await stage.settle();
      for (const client of clients) expect(client.received).toEqual(sent.get(client.id) ?? []);
    });
  });

  test("4: broadcast leaves out the source and only the source, sendall nobody, in rooms too", async () => {
    const membership = fc.array(fc.subarray(["red", "blue", "green"]), { minLength: 1, maxLength: 8 });
    const target = fc.option(fc.subarray(["red", "blue", "green", "none"], { minLength: 1 }), { nil: undefined });
    await plays(fc.tuple(membership, target, fc.boolean()), async ([members, rooms, isBroadcast], open) => {
      const stage = await open({
        handler(event, bus) {
          if (event.type !== "message") return;
          const options = rooms === undefined ? undefined : { room: rooms };
          if (isBroadcast) bus.broadcast("hit", event.connection, options);
          else bus.sendall("hit", options);
        },
      });
      const clients = [];
      for (const joined of members) {
        const client = await stage.connect();
        for (const room of joined) expect(stage.server.join(client.id, room)).toBe(true);
        clients.push(client);
      }
      clients[0]?.send("go");
      await stage.settle();
      for (const [i, client] of clients.entries()) {
        const isMember = rooms === undefined || rooms.some((room) => members[i]?.includes(room as "red"));
        expect(client.received).toEqual(isMember && !(isBroadcast && i === 0) ? ["hit"] : []);
      }
    });
  });

  test("5: a connection with a full mailbox is paused, nothing is lost or reordered, and others are served in between", async () => {
    await plays(fc.integer({ min: 100, max: 400 }), async (count, open) => {
      const handled: string[] = [];
      const blocked = gate();
      const stage = await open({
        mailbox: { highWaterEvents: 20, lowWaterEvents: 5 },
        async handler(event) {
          if (event.type !== "message") return;
          if (handled.length === 0) await blocked.opened;
          handled.push(event.text);
        },
      });
      const flooder = await stage.connect();
      const other = await stage.connect();
      for (let i = 0; i < count; i++) flooder.send(String(i));
      const waiting = (): number => stage.server.stats().received.messages - handled.length;
      await stage.until(() => stage.server.stats().paused === 1);
      expect(waiting()).toBeLessThanOrEqual(20 + 1 + overshoot);
      other.send("other");
      await stage.until(() => stage.server.stats().received.messages > handled.length);
      blocked.open();
      await stage.settle();
      const mine = handled.filter((text) => text !== "other");
      expect(mine).toEqual(Array.from({ length: count }, (_, i) => String(i)));
      expect(stage.server.stats().paused).toBe(0);
    });
  });

  test("5: a connection with more than lowWaterEvents waiting gives way to the others after each of its events", async () => {
    await plays(fc.integer({ min: 20, max: 60 }), async (count, open) => {
      const handled: string[] = [];
      const blocked = gate();
      const stage = await open({
        mailbox: { highWaterEvents: 100, lowWaterEvents: 5 },
        async handler(event) {
          if (event.type !== "message") return;
          handled.push(event.text);
          await blocked.opened;
        },
      });
      const flooder = await stage.connect();
      const others = [await stage.connect(), await stage.connect(), await stage.connect()];
      for (let i = 0; i < count; i++) flooder.send("flood");
      await stage.until(() => stage.server.stats().received.messages === count && handled.length === 1);
      for (const other of others) other.send("other");
      await stage.until(() => stage.server.stats().received.messages === count + others.length);
      blocked.open();
      await stage.settle();
      expect(handled.slice(0, 5)).toEqual(["flood", "flood", "other", "other", "other"]);
      expect(handled.length).toBe(count + others.length);
    });
  });

  test("6: a stalled reader gets whole messages in order, and loses those that its policy says", async () => {
    // More than the kernel takes for a stalled reader on loopback (about 4 MB).
    const sizes = fc.array(fc.integer({ min: 50_000, max: 90_000 }), { minLength: 150, maxLength: 200 });
    const policies = fc.constantFrom("close", "dropOldest", "dropNewest");
    await plays(fc.tuple(sizes, policies), async ([lengths, slowConsumer], open) => {
      const maxBufferedBytes = 400_000;
      // What stands around a message on the wire: a header, or a frame of SockJS in a chunk of HTTP.
      const around = hasCloseFrames(name) ? 10 : 40;
      const stage = await open({ outbox: { maxBufferedBytes, slowConsumer }, handler() {} });
      const reader = await stage.connect();
      const witness = await stage.connect();
      reader.stall();
      const receipts: Receipt[] = [];
      // For each drop: the message that caused it, and how many messages the reader's socket had at least and at most.
      const drops: { readonly at: number; readonly least: number; readonly most: number }[] = [];
      for (const [i, length] of lengths.entries()) {
        const before = stage.server.connections()[0]?.bufferedAmount ?? 0;
        receipts.push(stage.server.unicast(`${i}:`.padEnd(length, "."), reader.id));
        const after = stage.server.connections().find(({ id }) => id === reader.id)?.bufferedAmount ?? 0;
        // The bound, and one message of any size.
        expect(after).toBeLessThanOrEqual(Math.max(before, maxBufferedBytes) + length + around);
        const { dropped, sent } = stage.server.stats();
        while (drops.length < dropped) {
          drops.push({ at: i, least: sent.messages - i, most: sent.messages - witness.received.length });
        }
        stage.server.unicast(String(i), witness.id);
        if (i % 10 === 0) await stage.until(() => witness.received.length > i);
      }
      const queued = [...receipts.keys()].filter((i) => receipts[i]?.queued === 1);
      expect(
        receipts.every(({ targeted, queued, dropped, dead }) => targeted === 1 && queued + dropped + dead === 1),
      ).toBe(true);
      await stage.until(() => witness.received.length === lengths.length);
      reader.resume();
      // Settling sends messages of its own, which a full outbox would drop.
      await stage.until(
        () => (stage.server.connections().find(({ id }) => id === reader.id)?.bufferedAmount ?? 0) === 0,
      );
      await stage.settle();
      const got = reader.received.map((text) => Number.parseInt(String(text), 10));
      expect(reader.received.map((text) => text.length)).toEqual(got.map((i) => lengths[i]));
      if (slowConsumer === "close") {
        expect(reader.closed).toEqual({ code: 1013, reason: "slow consumer" });
        expect(got).toEqual(queued);
      }
      if (slowConsumer === "dropNewest") expect(got).toEqual(queued);
      if (slowConsumer === "dropOldest") {
        const all = [...lengths.keys()];
        expect(queued).toEqual(all);
        const lost = all.filter((i) => !got.includes(i));
        expect(got).toEqual(all.filter((i) => !lost.includes(i)));
        expect(lost.length).toBe(drops.length);
        // Each drop took the oldest that waited: everything older that is there the socket had. The kernel may take more at any time.
        for (const [k, { at, least, most }] of drops.entries()) {
          const oldest = lost[k] ?? Number.NaN;
          const older = got.filter((i) => i < oldest).length;
          expect(oldest).toBeLessThan(at);
          expect(older).toBeGreaterThanOrEqual(least);
          expect(older).toBeLessThanOrEqual(most);
        }
      }
      expect(stage.server.stats().slowConsumers).toBeGreaterThanOrEqual(1);
    });
  });

  test("7: receipts add up, and sending to a connection that has gone never throws and is counted", async () => {
    const plan = fc.array(fc.constantFrom("stay", "close", "fail"), { minLength: 1, maxLength: 8 });
    await plays(plan, async (endings, open) => {
      const gone: Connection[] = [];
      const stage = await open({
        handler(event) {
          if (event.type === "closed") gone.push(event.connection);
        },
      });
      const clients = [];
      for (const ending of endings) clients.push({ ending, client: await stage.connect() });
      for (const { ending, client } of clients) {
        if (ending === "close") client.close();
        if (ending === "fail") client.fail();
      }
      await stage.settle();
      const staying = endings.filter((ending) => ending === "stay").length;
      const all = stage.server.sendall("all");
      expect(all).toEqual({ targeted: staying, queued: staying, dropped: 0, dead: 0 });
      for (const connection of gone) {
        expect(stage.server.unicast("late", connection)).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1 });
        expect(connection.send("late")).toBe(false);
      }
      expect(stage.server.unicast("late", "no such id").dead).toBe(1);
      expect(stage.server.stats().deadLetters).toBe(2 * gone.length + 1);
      await stage.settle();
      for (const { ending, client } of clients) if (ending === "stay") expect(client.received).toEqual(["all"]);
    });
  });

  test("8: a handler that throws loses that event; a connection whose events keep making it throw is closed, and no other", async () => {
    await plays(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 8 })), async ([intensity, throws], open) => {
      const closed: string[] = [];
      const stage = await open({
        supervise: { intensity },
        handler(event, bus) {
          if (event.type === "closed") closed.push(event.connection.id);
          if (event.type !== "message") return;
          if (event.text === "throw") throw new Error("thrown");
          bus.unicast(`echo ${event.text}`, event.connection);
        },
      });
      const bad = await stage.connect();
      const good = await stage.connect();
      for (let i = 0; i < throws; i++) {
        bad.send("throw");
        good.send(String(i));
      }
      await stage.settle();
      expect(good.received).toEqual(Array.from({ length: throws }, (_, i) => `echo ${i}`));
      expect(bad.closed).toEqual(throws > intensity ? { code: 1011, reason: "handler failed" } : undefined);
      expect(closed).toEqual(throws > intensity ? [bad.id] : []);
      expect(stage.server.stats().failures.length).toBe(Math.min(throws, intensity + 1));
    });
  });

  test("9: what was sent before close arrives before the close frame", async () => {
    await plays(fc.tuple(fc.nat({ max: 50 }), fc.integer({ min: 1, max: 200_000 })), async ([count, bytes], open) => {
      const stage = await open({
        handler(event, bus) {
          if (event.type !== "message") return;
          for (let i = 0; i < count; i++) bus.unicast(`${i}`.padEnd(Math.ceil(bytes / count), "."), event.connection);
          bus.close(event.connection, 4001, "bye");
          bus.unicast("never", event.connection);
        },
      });
      const client = await stage.connect();
      client.send("go");
      await stage.settle();
      expect(client.received.map((text) => Number.parseInt(String(text), 10))).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
      expect(client.closed).toEqual({ code: 4001, reason: "bye" });
    });
  });

  test("10: a closed connection is no target and no member at once, and keeps its rooms and data until closed is handled", async () => {
    await plays(fc.constantFrom("close", "terminate"), async (verb, open) => {
      const goodbyes: unknown[] = [];
      const late: Connection[] = [];
      const stage = await open({
        handler(event, bus) {
          if (event.type === "open") event.connection.join("room");
          if (event.type === "message") {
            const { connection } = event;
            connection.data.nick = "alice";
            expect(verb === "close" ? connection.close() : connection.terminate()).toBe(true);
            expect(connection.isOpen).toBe(false);
            expect(connection.join("other")).toBe(false);
            expect(bus.connections()).not.toContain(connection);
            expect(bus.members("room")).not.toContain(connection);
            expect(bus.sendall("gone", { room: "room" }).targeted).toBe(1);
          }
          if (event.type === "closed") {
            goodbyes.push([...event.connection.rooms], event.connection.data.nick);
            late.push(event.connection);
          }
        },
      });
      const leaver = await stage.connect();
      const stayer = await stage.connect();
      leaver.send("go");
      await stage.settle();
      expect(goodbyes).toEqual([["room"], "alice"]);
      expect(late.map(({ rooms }) => rooms.size)).toEqual([0]);
      expect(stayer.received).toEqual(["gone"]);
      expect(leaver.received).toEqual([]);
    });
  });

  test("11: when the peer closes, what arrived before is delivered; when our side closes, what waits is discarded", async () => {
    await plays(fc.tuple(small, fc.boolean()), async ([count, isPeer], open) => {
      const events: string[] = [];
      const blocked = gate();
      const started = gate();
      let connection: Connection | undefined;
      const stage = await open({
        async handler(event) {
          if (event.connection === undefined) return;
          connection = event.connection;
          if (event.type === "message" && event.text === "0") {
            started.open();
            await blocked.opened;
          }
          events.push(event.type === "closed" ? `closed ${event.code} ${event.by}` : event.type);
        },
      });
      const client = await stage.connect();
      for (let i = 0; i <= count; i++) client.send(String(i));
      await stage.until(() => stage.server.stats().received.messages === count + 1);
      await started.opened;
      if (isPeer) client.close(4002, "bye");
      else connection?.close(4003, "enough");
      // A peer that has sent a close frame is still open: the replies to its messages come before ours.
      if (!isPeer || !hasCloseFrames(name)) await stage.until(() => connection?.isOpen === false);
      blocked.open();
      await stage.settle();
      const messages = Array<string>(isPeer ? count + 1 : 1).fill("message");
      const byPeer = hasCloseFrames(name) ? "closed 4002 peer" : "closed 1006 lost";
      expect(events).toEqual(["open", ...messages, isPeer ? byPeer : "closed 4003 server"]);
    });
  });

  test.runIf(hasCloseFrames(name))(
    "11: the peer reads the replies to its messages before our close frame, which has the code of the peer's",
    async () => {
      const shape = fc.record({ count: small, awaits: fc.nat({ max: 3 }), concurrency });
      await plays(shape, async ({ count, awaits, concurrency }, open) => {
        const ends: string[] = [];
        const stage = await open({
          concurrency,
          async handler(event, bus) {
            if (event.type === "closed") ends.push(`${event.code} ${event.reason} ${event.wasClean} ${event.by}`);
            if (event.type === "open") event.connection.send("welcome");
            if (event.type !== "message") return;
            for (let i = 0; i < awaits; i++) await Promise.resolve();
            bus.unicast(`reply ${event.text}`, event.connection);
            bus.broadcast(event.text, event.connection);
          },
        });
        const stayer = await stage.connect();
        const leaver = await stage.connect();
        const sent = Array.from({ length: count }, (_, i) => String(i));
        for (const text of sent) leaver.send(text);
        leaver.close(4002, "bye");
        await stage.settle();
        expect(leaver.received).toEqual(["welcome", ...sent.map((text) => `reply ${text}`)]);
        expect(stayer.received).toEqual(["welcome", ...sent]);
        expect([leaver.closed, ends]).toEqual([{ code: 4002, reason: "bye" }, ["4002 bye true peer"]]);
      });
    },
  );
});
