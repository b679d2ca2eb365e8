/** Budgets in orders that the event loop never has, with sockets that are cut, stall and vanish. */
import type { ServerEvent } from "sendall";
import { explore } from "sendall/testing";
import { expect, test } from "vitest";

const BUDGET = { messagesPerSecond: 5, burstSeconds: 1, bytesPerSecond: 50, key: () => "all" };

test("messages of each client are handled in order and once, and no faster than the budget, in every order of events", async () => {
  await explore(
    async ({ runtime, random }) => {
      const handled: { readonly at: number; readonly who: string; readonly n: number }[] = [];
      const r = runtime({
        budget: BUDGET,
        heartbeat: false,
        handler(event: ServerEvent, bus) {
          if (event.type === "message")
            handled.push({ at: bus.now(), who: event.connection.id, n: Number(event.text) });
        },
      });
      const clients = [await r.connect(), await r.connect(), await r.connect()];
      const counts = clients.map(() => 0);
      for (let step = 0; step < 8; step++)
        for (const [i, client] of clients.entries()) {
          const many = Math.floor(random() * 4);
          for (let n = 0; n < many; n++) client.send(String((counts[i] ?? 0) + n));
          counts[i] = (counts[i] ?? 0) + many;
          if (random() < 0.2) await r.advance(Math.floor(random() * 400));
        }
      await r.advance(60_000);
      for (const [i, client] of clients.entries())
        expect(handled.filter(({ who }) => who === client.id).map(({ n }) => n)).toEqual([...Array(counts[i]).keys()]);
      // A turn may come late in these orders, but none comes before its token.
      for (const [count, { at }] of handled.entries()) expect(count + 1).toBeLessThanOrEqual(5 + (at / 1_000) * 5);
    },
    { runs: 60, seed: 1 },
  );
});

test("under faults clients with sessions lose nothing, and every connection gets its closed", async () => {
  await explore(
    async ({ runtime }) => {
      const texts: string[] = [];
      let open = 0;
      const r = runtime({
        budget: { messagesPerSecond: 5, burstSeconds: 1 },
        resume: { graceMs: 600_000 },
        handler(event: ServerEvent) {
          if (event.type === "open") open++;
          else if (event.type === "closed") open--;
          else if (event.type === "message") texts.push(event.text);
        },
      });
      const client = r.dial("/", { offline: { maxMessages: 1_000 } } as never);
      const sent = Array.from({ length: 30 }, (_, i) => String(i));
      for (const text of sent) {
        client.send(text);
        await r.settle();
      }
      for (let waits = 0; waits < 20 && texts.length < sent.length; waits++) await r.advance(10_000);
      expect(texts).toEqual(sent);
      client.close();
      await r.advance(700_000);
      expect(open).toBe(0);
    },
    { runs: 60, seed: 1, faults: ["disconnect", "reset"] },
  );
});
