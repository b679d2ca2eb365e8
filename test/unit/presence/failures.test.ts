/** Failures around presence: each is noted, and charged to the connection that caused it, if there is one on this node; a peer of another node harms nobody. */
import { setImmediate } from "node:timers/promises";
import { type Bus, fromLogic, type Handler, type PresenceOptions, type RouteOptions, type ServerEvent } from "sendall";
import { protocol, type Schema } from "sendall/protocol";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { describe, expect, test } from "vitest";
import { type AnyActorLogic, createMachine, fromCallback, fromPromise } from "xstate";
import { start } from "./stage.js";

function fail(): never {
  throw new Error("bad");
}

/** Machines of tests are of any shape: what XState can tell of their types is not looked at. */
const machineOf: (config: object) => AnyActorLogic = (config) => createMachine(config);

interface At {
  readonly event: ServerEvent;
}

const isNews = ({ type }: ServerEvent): boolean => type === "joined" || type === "changed" || type === "left";

/** The same way to join and to show for every shape: members are all who open, and a message is shown. */
function follow(event: ServerEvent): void {
  if (event.type === "open") event.connection.join("hall");
  if (event.type === "message") event.connection.show(event.text);
}

const anything: Schema<string> = {
  "~standard": { version: 1, vendor: "by hand", validate: (value) => ({ value: value as string }) },
};

/** Whether the handler is to fail at the event. */
const isBad = (event: ServerEvent): boolean => isNews(event) && "info" in event && String(event.info).startsWith("bad");

const WAYS: readonly [way: string, fail: (event: ServerEvent) => unknown][] = [
  ["throw", fail],
  ["reject", () => Promise.reject(new Error("rejected"))],
  [
    "leave a rejection behind",
    () => {
      void Promise.reject(new Error("left behind"));
    },
  ],
  [
    "throw later, in a callback",
    () => {
      void setImmediate().then(fail);
    },
  ],
];

function asFunction(fail: (event: ServerEvent) => unknown): Handler {
  return (event: ServerEvent) => {
    follow(event);
    return isBad(event) ? fail(event) : undefined;
  };
}

function asState(fail: (event: ServerEvent) => unknown): Handler {
  return {
    init: () => 0,
    async handle(event: ServerEvent, count: number) {
      follow(event);
      if (isBad(event)) await fail(event);
      return count + 1;
    },
  } as Handler;
}

function asProtocol(fail: (event: ServerEvent) => unknown): Handler {
  const news = (event: ServerEvent): unknown => (isBad(event) ? fail(event) : undefined);
  return protocol({ fromClient: { say: anything } }).handler({
    open: ({ connection }) => connection.join("hall"),
    say: (text, { connection }) => connection.show(text),
    joined: news,
    changed: news,
    left: news,
  });
}

function asLogic(fail: (event: ServerEvent) => unknown): Handler {
  return fromLogic(
    fromCallback<ServerEvent>(({ receive }) => {
      receive((event) => {
        follow(event);
        if (isBad(event)) void fail(event);
      });
    }),
  );
}

/** Two nodes with the handler; bob is a member of the first, and the second shows what is to fail on the first. */
async function nodes(handler: Handler, options: Pick<RouteOptions, "supervise" | "presence"> = {}) {
  const cluster = memory();
  const presence: Partial<PresenceOptions> = { graceMs: 0, key: ({ query }) => query.get("name") ?? "?" };
  const here = createTestRuntime({ handler, cluster, presence, ...options });
  const there = createTestRuntime({ handler: asFunction(() => undefined), cluster, presence });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      await here.settle().catch(() => {});
      await there.settle();
      await setImmediate();
    }
  };
  const bob = await here.connect({ path: "/?name=bob" });
  const mad = await there.connect({ path: "/?name=mad" });
  await settle();
  return { here, there, settle, bob, mad, failures: () => here.server.stats().failures };
}

async function end(...runtimes: TestRuntime[]): Promise<void> {
  for (const runtime of runtimes) await runtime.close().catch(() => {});
}

const SHAPES: readonly [shape: string, make: (fail: (event: ServerEvent) => unknown) => Handler][] = [
  ["a function", asFunction],
  ["a stateful handler", asState],
  ["a protocol's handler", asProtocol],
  ["logic", asLogic],
];

describe("what a peer of another node shows", () => {
  const cases = SHAPES.flatMap(([shape, make]) => WAYS.map(([way, fail]) => [shape, way, make, fail] as const));

  test.each(cases)("closes nothing where it makes %s %s", async (_shape, _way, make, fail) => {
    const { here, there, settle, bob, mad, failures } = await nodes(make(fail), { supervise: { intensity: 1 } });
    for (let i = 0; i < 6; i++) {
      mad.send(`bad ${i}`);
      await settle();
    }
    expect(bob.closed).toBeUndefined();
    expect(here.server.present("hall")).toMatchObject([{ key: "bob" }, { key: "mad", info: "bad 5" }]);
    expect(failures().length).toBe(6);
    expect(failures().filter(({ connection }) => connection !== undefined)).toEqual([]);
    await end(here, there);
  });

  test("closes nothing where notice throws, rejects or leaves something behind", async () => {
    const ends: (() => unknown)[] = WAYS.map(
      ([, fail]) =>
        () =>
          fail({} as ServerEvent),
    );
    const { here, there, settle, bob, mad, failures } = await nodes(
      asFunction(() => undefined),
      {
        supervise: { intensity: 0 },
        presence: {
          graceMs: 0,
          key: ({ query }) => query.get("name") ?? "?",
          notice: (notice) =>
            ("info" in notice && String(notice.info).startsWith("bad") ? ends.shift()?.() : notice.type) as string,
        },
      },
    );
    for (let i = 0; i < WAYS.length; i++) {
      mad.send(`bad ${i}`);
      await settle();
    }
    expect(ends).toEqual([]);
    expect(failures().length).toBe(WAYS.length);
    expect(bob.closed).toBeUndefined();
    expect(bob.received).toEqual(["joined"]);
    await end(here, there);
  });

  test.each<[when: string, child: AnyActorLogic]>([
    ["at once", fromCallback(() => fail())],
    ["later", fromPromise(() => setImmediate().then(fail))],
  ])("closes nothing where it makes two children of a machine fail %s", async (_when, child) => {
    const machine = machineOf({
      initial: "idle",
      on: { open: { actions: ({ event }: At) => void follow(event) }, changed: ".asking" },
      states: { idle: {}, asking: { invoke: [{ src: child }, { src: child }] } },
    });
    const { here, there, settle, bob, mad, failures } = await nodes(fromLogic(machine), {
      supervise: { intensity: 1 },
    });
    for (let i = 0; i < 3; i++) {
      mad.send(`bad ${i}`);
      await settle();
    }
    expect(failures().length).toBe(6);
    expect(bob.closed).toBeUndefined();
    await end(here, there);
  });
});

describe("what a connection of this node causes", () => {
  test.each(SHAPES.slice(0, 3))("is charged to it where it makes %s throw", async (_shape, make) => {
    await using runtime = createTestRuntime({
      supervise: { intensity: 2 },
      presence: { key: ({ query }) => query.get("name") ?? "?" },
      handler: make(fail),
    });
    const isProtocol = _shape === "a protocol's handler";
    const ann = await runtime.connect({ path: "/?name=ann" });
    const mad = await runtime.connect({ path: "/?name=mad" });
    for (let i = 0; i < 3; i++) {
      expect(mad.closed).toBeUndefined();
      mad.send(isProtocol ? JSON.stringify(["say", `bad ${i}`]) : `bad ${i}`);
      await runtime.settle().catch(() => {});
    }
    expect(mad.closed).toMatchObject({ code: 1011 });
    expect(ann.closed).toBeUndefined();
    expect(runtime.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual(
      Array(3).fill(["changed", mad.id]),
    );
  });

  test("starts the handler anew under the strategy restart, once for each failure", async () => {
    let starts = 0;
    await using runtime = createTestRuntime({
      supervise: { strategy: "restart" },
      presence: true,
      handler: {
        init: () => ++starts,
        handle(event: ServerEvent, state: number, bus: Bus) {
          follow(event);
          if (event.type === "changed") throw new Error("thrown");
          if (event.type === "message") bus.unicast(String(state), event.connection);
        },
      } as Handler,
    });
    const ann = await runtime.connect();
    ann.send("a");
    await runtime.settle().catch(() => {});
    ann.send("b");
    await runtime.settle().catch(() => {});
    expect(ann.received).toEqual(["1", "2"]);
    expect(starts).toBe(3);
    expect(runtime.server.present("hall")).toMatchObject([{ info: "b" }]);
  });

  test("does not answer the call that the connection has under way", async () => {
    const talk = protocol({ fromClient: { wait: { input: anything, output: anything } } });
    await using runtime = createTestRuntime({
      concurrency: "connection",
      presence: true,
      handler: talk.handler({
        open: ({ connection }) => connection.join("hall"),
        async wait(text, { bus, connection }) {
          connection.show("waiting");
          await bus.sleep(1_000);
          return text;
        },
        changed: fail,
      }),
    });
    const ann = await runtime.connect();
    ann.send('["wait","done",1]');
    await runtime.advance(2_000).catch(() => {});
    expect(runtime.server.stats().failures.map(({ event }) => event)).toEqual(["changed"]);
    expect(ann.received).toEqual(['[1,"done"]']);
  });
});

test("a promise that key or info returns is a failure, and its rejection is nobody's", async () => {
  const fails = (): never => Promise.reject(new Error("later")) as never;
  const stage = start({ key: fails, info: fails });
  const ann = await stage.connect("ann");
  // From outside of the handler, where a rejection would end the process.
  stage.server.join(ann.id, "hall");
  await setImmediate();
  await stage.runtime.settle().catch(() => {});
  expect(stage.server.present("hall")).toMatchObject([{ key: ann.id, info: null }]);
  expect(stage.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual([
    ["presence.key", ann.id],
    ["presence.info", ann.id],
  ]);
});

test("what key leaves behind is charged to the connection that joins", async () => {
  const stage = start({
    key({ query }) {
      void Promise.reject(new Error("left behind"));
      return query.get("name") ?? "?";
    },
  });
  const ann = await stage.connect("ann");
  stage.server.join(ann.id, "hall");
  await setImmediate();
  await stage.runtime.settle().catch(() => {});
  expect(stage.server.stats().failures).toMatchObject([{ event: "rejection", connection: ann.id }]);
});
