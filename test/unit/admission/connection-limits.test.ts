/** Places: how many there are, who waits for one, and how they come back. */
import { describe, expect, test } from "vitest";
import {
  type ConnectionLimitSettings,
  ConnectionLimits,
  type Place,
} from "../../../src/admission/connection-limits.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";

function stage(settings: Partial<ConnectionLimitSettings>) {
  const clock = new HandClock();
  const all = {
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    whenFull: "reject",
    maxWaiting: 10,
    waitMs: 1_000,
  } as const;
  const away: { address: string; place: Place }[] = [];
  const limits = new ConnectionLimits({ ...all, ...settings }, clock, (address) => {
    const oldest = away.find((one) => address === undefined || one.address === address);
    return (
      oldest && {
        awaySince: 0,
        makeRoom() {
          away.splice(away.indexOf(oldest), 1);
          order.push("one ends");
          oldest.place.release();
        },
      }
    );
  });
  const order: string[] = [];
  /** Asks for a place; the answer goes into `order`. */
  const ask = (name: string, address = "a"): { place: Place | undefined; readonly leave: () => void } => {
    const abort = new AbortController();
    const attempt = { place: undefined as Place | undefined, leave: () => abort.abort() };
    const answer = (place: Place | undefined): void => {
      attempt.place = place;
      order.push(`${name} ${place === undefined ? "refused" : "in"}`);
    };
    const place = limits.acquire(address, () => abort.signal);
    if (place instanceof Promise) place.then(answer);
    else answer(place);
    return attempt;
  };
  /** What was answered since it was last asked. */
  const answers = async (): Promise<string[]> => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    return order.splice(0);
  };
  /** The connection of an attempt loses its socket. */
  const lose = ({ place }: { place: Place | undefined }, address = "a"): void => {
    if (place === undefined) throw new Error("there is no connection");
    away.push({ address, place });
    place.onAway();
  };
  return { clock, limits, ask, answers, lose, away };
}

describe("places", () => {
  test("are unlimited without a limit", async () => {
    const { ask, answers } = stage({});
    for (let i = 0; i < 1_000; i++) ask(String(i));
    expect((await answers()).filter((answer) => answer.endsWith("in"))).toHaveLength(1_000);
  });

  test("are as many as the limit, and come back once, however often they are given back", async () => {
    const { ask, answers } = stage({ maxConnections: 2 });
    const first = ask("1");
    ask("2");
    ask("3");
    expect(await answers()).toEqual(["1 in", "2 in", "3 refused"]);
    first.place?.release();
    first.place?.release();
    ask("4");
    ask("5");
    expect(await answers()).toEqual(["4 in", "5 refused"]);
  });

  test("are counted for each address", async () => {
    const { ask, answers } = stage({ maxConnectionsPerAddress: 1 });
    const first = ask("a1", "a");
    ask("a2", "a");
    ask("b1", "b");
    expect(await answers()).toEqual(["a1 in", "a2 refused", "b1 in"]);
    first.place?.release();
    ask("a3", "a");
    expect(await answers()).toEqual(["a3 in"]);
  });
});

describe("the place of a connection that comes back from another address", () => {
  test("counts there from then on, though the limit is reached, and is free there in the end", async () => {
    const { ask, answers } = stage({ maxConnectionsPerAddress: 1 });
    const [a, b] = [ask("a1", "a"), ask("b1", "b")];
    a.place?.moveTo("b");
    a.place?.moveTo("b");
    ask("a2", "a");
    ask("b2", "b");
    a.place?.release();
    a.place?.moveTo("c");
    ask("b3", "b");
    b.place?.release();
    ask("b4", "b");
    ask("c1", "c");
    expect(await answers()).toEqual(["a1 in", "b1 in", "a2 in", "b2 refused", "b3 refused", "b4 in", "c1 in"]);
  });
});

describe("connections that are away", () => {
  test("end for whoever needs a place, each for one", async () => {
    const { ask, answers, lose } = stage({ maxConnections: 2 });
    const [a, b] = [ask("1"), ask("2")];
    lose(a);
    lose(b);
    for (const name of ["3", "4", "5"]) ask(name);
    expect(await answers()).toEqual(["1 in", "2 in", "one ends", "3 in", "one ends", "4 in", "5 refused"]);
  });

  test("end for whoever is next in the queue, and not for a waiting peer whose address is at its limit", async () => {
    const { clock, ask, answers, lose } = stage({ maxConnections: 2, maxConnectionsPerAddress: 1, whenFull: "wait" });
    const [a, b] = [ask("a1", "a"), ask("b1", "b")];
    ask("c1", "c");
    ask("c2", "c");
    lose(a);
    expect(await answers()).toEqual(["a1 in", "b1 in", "one ends", "c1 in"]);
    lose(b, "b");
    expect(await answers()).toEqual([]);
    ask("d1", "d");
    expect(await answers()).toEqual(["one ends", "d1 in"]);
    clock.pass(1_000);
    expect(await answers()).toEqual(["c2 refused"]);
    expect(clock.alarms).toBe(0);
  });

  test("end for nobody who is only asked about", async () => {
    const { limits, ask, answers, lose, away } = stage({ maxConnections: 1, maxWaiting: 2 });
    lose(ask("1"));
    const signal = (): AbortSignal => new AbortController().signal;
    expect(limits.reserve("a", signal, 1)).toBe("room");
    expect(limits.reserve("a", signal, 2)).toBeUndefined();
    expect([away.length, await answers()]).toEqual([1, ["1 in"]]);
  });
});

describe("whoever waits for a place", () => {
  const waiting = { maxConnections: 1, whenFull: "wait" } as const;

  test("gets it in the order of coming", async () => {
    const { clock, ask, answers } = stage(waiting);
    const first = ask("1");
    const second = ask("2");
    ask("3");
    expect(await answers()).toEqual(["1 in"]);
    first.place?.release();
    expect(await answers()).toEqual(["2 in"]);
    second.place?.release();
    expect(await answers()).toEqual(["3 in"]);
    expect(clock.alarms).toBe(0);
  });

  test("is refused when maxWaiting others wait", async () => {
    const { ask, answers } = stage({ ...waiting, maxWaiting: 2 });
    const first = ask("1");
    for (const name of ["2", "3", "4"]) ask(name);
    expect(await answers()).toEqual(["1 in", "4 refused"]);
    first.place?.release();
    expect(await answers()).toEqual(["2 in"]);
  });

  test("is refused after waitMs, and takes no place then", async () => {
    const { clock, ask, answers } = stage(waiting);
    const first = ask("1");
    ask("2");
    clock.pass(400);
    ask("3");
    clock.pass(599);
    expect(await answers()).toEqual(["1 in"]);
    clock.pass(1);
    expect(await answers()).toEqual(["2 refused"]);
    first.place?.release();
    expect(await answers()).toEqual(["3 in"]);
    expect(clock.alarms).toBe(0);
  });

  test("is passed over once it has left", async () => {
    const { clock, ask, answers } = stage(waiting);
    const first = ask("1");
    const second = ask("2");
    ask("3");
    second.leave();
    first.place?.release();
    expect(await answers()).toEqual(["1 in", "2 refused", "3 in"]);
    expect(clock.alarms).toBe(0);
  });

  test("does not wait at all if it has left before", async () => {
    const { clock, limits, ask, answers } = stage(waiting);
    ask("1");
    expect(limits.acquire("a", () => AbortSignal.abort())).toBeUndefined();
    expect(await answers()).toEqual(["1 in"]);
    expect(clock.alarms).toBe(0);
  });

  test("is refused when the server closes", async () => {
    const { clock, limits, ask, answers } = stage(waiting);
    const first = ask("1");
    ask("2");
    ask("3");
    limits.cancelWaiters();
    expect(await answers()).toEqual(["1 in", "2 refused", "3 refused"]);
    first.place?.release();
    expect(await answers()).toEqual([]);
    expect(clock.alarms).toBe(0);
  });

  test("does not come from an address with its share of places: such a peer is refused, and another address gets the free place", async () => {
    const { ask, answers } = stage({ maxConnections: 2, maxConnectionsPerAddress: 1, whenFull: "wait" });
    ask("a1", "a");
    const b = ask("b1", "b");
    ask("a2", "a");
    ask("c1", "c");
    expect(await answers()).toEqual(["a1 in", "b1 in", "a2 refused"]);
    b.place?.release();
    expect(await answers()).toEqual(["c1 in"]);
  });
});
