/** The handler time in snapshots, compared with the times at which a handler began and ended: any events, any times of snapshots. */
import fc from "fast-check";
import { createTestRuntime } from "sendall/testing";
import { expect, test } from "vitest";
import { TopList } from "../../../src/actors/snapshot/top-list.js";

const CLIENTS = 3;

/** An event of a client that takes so long, or a snapshot; each after a pause. */
type Step = { readonly pauseMs: number } & (
  | { readonly client: number; readonly tookMs: number }
  | { readonly isTaken: true }
);

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ pauseMs: fc.nat(300), client: fc.nat(CLIENTS - 1), tookMs: fc.nat(3_000) }),
    fc.record({ pauseMs: fc.nat(1_500), isTaken: fc.constant(true as const) }),
  ),
  { maxLength: 25 },
);

interface Work {
  readonly id: string;
  readonly from: number;
  to: number;
}

/** For how long the work lasted between two times. */
function overlap({ from, to }: Work, since: number, until: number): number {
  return Math.max(Math.min(to, until) - Math.max(from, since), 0);
}

test.each(["serial", "connection"] as const)(
  "handler time of a %s handler is the time in which its events were under way, for the route and for each connection",
  async (concurrency) => {
    const property = fc.asyncProperty(steps, async (taken) => {
      const works: Work[] = [];
      const runtime = createTestRuntime({
        failures: "supervise",
        concurrency,
        async handler(event, bus) {
          if (event.type !== "message") return;
          const work = { id: event.connection.id, from: bus.now(), to: Number.POSITIVE_INFINITY };
          works.push(work);
          await bus.sleep(Number(event.text));
          work.to = bus.now();
        },
      });
      const clients = [];
      for (let i = 0; i < CLIENTS; i++) clients.push(await runtime.connect());
      for (const step of taken) {
        await runtime.advance(step.pauseMs);
        if ("client" in step) {
          clients[step.client]?.send(String(step.tookMs));
          await runtime.settle();
          continue;
        }
        const { at, periodMs, routes, top } = await runtime.server.snapshot();
        if (periodMs === undefined) continue;
        const sum = (some: readonly Work[]): number =>
          some.reduce((total, work) => total + overlap(work, at - periodMs, at), 0);
        const shown = (perSecond: number): number => (perSecond * periodMs) / 1_000;
        expect(shown(routes[0]?.perSecond?.handlerMs ?? 0)).toBeCloseTo(sum(works), 3);
        for (const { id } of clients) {
          const entry = top.handlerMs.find((one) => one.id === id);
          expect(shown(entry?.handlerMs ?? 0)).toBeCloseTo(sum(works.filter((work) => work.id === id)), 3);
        }
        const busy = works.filter(({ to }) => to > at);
        expect(routes[0]?.underWay.map(({ connection, since }) => [connection, since])).toEqual(
          busy.map(({ id, from }) => [id, from]),
        );
      }
      await runtime.close();
    });
    await fc.assert(property, { numRuns: 60 });
  },
);

test("a list of the highest holds what sorting would put first", () => {
  const property = fc.property(fc.array(fc.nat(20)), fc.nat(8), (figures, length) => {
    const list = new TopList<{ readonly figure: number; readonly index: number }>(length);
    for (const [index, figure] of figures.entries()) list.offer(figure, () => ({ figure, index }));
    const sorted = figures
      .map((figure, index) => ({ figure, index }))
      .filter(({ figure }) => figure > 0)
      .sort((a, b) => b.figure - a.figure);
    expect(list.entries).toEqual(sorted.slice(0, length));
  });
  fc.assert(property);
});
