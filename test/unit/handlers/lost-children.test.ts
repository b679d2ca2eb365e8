/**
 * Logic whose children fail while nobody deals with it: a child is lost alone, whatever it is and however it fails, and whoever
 * caused that is charged.
 */
import { channels, fromLogic, type Handler, type ServerEvent } from "sendall";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import {
  type AnyActorLogic,
  type AnyActorRef,
  assign,
  createMachine,
  enqueueActions,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  type Observer,
  type Subscribable,
  sendTo,
  spawnChild,
} from "xstate";
import { failures } from "../actors/failing.js";

type Message = Extract<ServerEvent, { type: "message" }>;

/** What actions and guards get here. */
interface At {
  readonly event: Message;
}

/** Machines of tests are of any shape: what XState can tell of their types is not looked at. */
const machineOf: (config: object) => AnyActorLogic = (config) => createMachine(config);
const toPeer = (id: string) => sendTo(id, ({ event }) => event);

function answer({ connection, text }: Message): void {
  if (text === "bad") throw new Error("bad");
  connection.send(`${text}, says its actor`);
}

function fail(): never {
  throw new Error("bad");
}

/** Logic for one peer, which answers messages and throws at "bad". */
const peers: Readonly<Record<string, AnyActorLogic>> = {
  "a transition": fromTransition((_state: undefined, event: Message) => void answer(event), undefined),
  "a callback": fromCallback<Message>(({ receive }) => receive(answer)),
  "a machine": machineOf({ on: { message: { actions: ({ event }: At) => answer(event) } } }),
  "a machine whose own child fails": machineOf({
    invoke: { id: "inner", src: fromCallback<Message>(({ receive }) => receive(answer)) },
    on: { message: { actions: toPeer("inner") } },
  }),
};

interface Enqueuing extends At {
  readonly self: AnyActorRef;
  readonly enqueue: {
    assign(assignment: object): void;
    spawnChild(logic: AnyActorLogic, options: object): void;
    sendTo(id: string, event: object): void;
  };
}

interface Spawning {
  readonly context: { readonly refs: object };
  spawn(logic: AnyActorLogic, options: object): AnyActorRef;
}

/** Has an actor for each peer, made when it is first needed. */
function lobby(peer: AnyActorLogic, how: "spawn" | "spawnChild"): AnyActorLogic {
  const hand = ({ enqueue, event, self }: Enqueuing): void => {
    const { id } = event.connection;
    const isThere = id in self.getSnapshot().children;
    if (!isThere && how === "spawnChild") enqueue.spawnChild(peer, { id });
    if (!isThere && how === "spawn")
      enqueue.assign({ refs: ({ spawn, context }: Spawning) => ({ ...context.refs, [id]: spawn(peer, { id }) }) });
    enqueue.sendTo(id, event);
  };
  return machineOf({ context: { refs: {} }, on: { message: { actions: enqueueActions(hand as never) } } });
}

function runtimeOf(handler: Handler, strategy: "resume" | "restart" = "resume"): TestRuntime {
  return createTestRuntime({ failures: "supervise", supervise: { strategy }, handler });
}

const KINDS = Object.keys(peers).flatMap((kind) =>
  (["spawn", "spawnChild"] as const).flatMap((how) =>
    (["resume", "restart"] as const).map((strategy) => [kind, how, strategy] as const),
  ),
);

describe("a peer's actor that throws", () => {
  test.each(KINDS)("(%s, made by %s, under %s) is lost alone, and its id is free", async (kind, how, strategy) => {
    await using runtime = runtimeOf(fromLogic(lobby(peers[kind] as AnyActorLogic, how)), strategy);
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const client of [ann, bob]) client.send("hi");
    await runtime.settle();
    ann.send("bad");
    bob.send("still");
    await runtime.settle();
    const carl = await runtime.connect();
    for (const client of [ann, bob, carl]) client.send("on");
    await runtime.settle();
    expect([ann.take(), bob.take(), carl.take()]).toEqual([
      ["hi, says its actor", "on, says its actor"],
      ["hi, says its actor", "still, says its actor", "on, says its actor"],
      ["on, says its actor"],
    ]);
    expect(runtime.server.stats().failures).toMatchObject([
      { event: "message", connection: ann.id, data: "bad", error: { message: "bad" } },
    ]);
    for (let i = 0; i < 3; i++) ann.send("bad");
    await runtime.settle();
    expect([ann.closed, bob.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
  });
});

/** Fails when it is told to. */
function observable(when: (failed: () => void) => void): Subscribable<never> {
  return {
    subscribe(observer: Observer<never> | ((value: never) => void)) {
      if (typeof observer === "object") when(() => observer.error?.(new Error("bad")));
      return { unsubscribe() {} };
    },
  };
}

const failing: Readonly<Record<string, AnyActorLogic>> = {
  "a promise that rejects": fromPromise(() => Promise.reject(new Error("bad"))),
  "a promise whose maker throws": fromPromise(fail),
  "an observable that fails at once": fromObservable(() => observable((failed) => failed())),
  "an observable that fails later": fromObservable(() => observable(queueMicrotask)),
  "an observable whose maker throws": fromObservable(fail),
  "a callback that throws": fromCallback(fail),
  "a machine whose context throws": machineOf({ context: fail }),
  "a machine whose entry throws": machineOf({ entry: fail }),
  "a machine that invokes one whose entry throws": machineOf({ invoke: { src: machineOf({ entry: fail }) } }),
  "a transition whose state throws": fromTransition(() => undefined, fail),
};

describe("an actor that fails at its start, or by itself,", () => {
  const cases = Object.keys(failing).flatMap((what) =>
    ["spawn", "spawnChild", "invoke"].map((how) => [what, how] as const),
  );

  test.each(cases)("%s, made by %s, is lost alone", async (what, how) => {
    const src = failing[what] as AnyActorLogic;
    const making = {
      spawn: { actions: assign({ ref: ({ spawn }: Spawning) => spawn(src, {}) } as object) },
      spawnChild: { actions: spawnChild(src, { id: "failing" }) },
      invoke: { target: ".failing" },
    }[how];
    const machine = machineOf({
      context: { ref: undefined },
      initial: "calm",
      invoke: { id: "echo", src: peers["a transition"] as AnyActorLogic },
      states: { calm: {}, failing: { invoke: { id: "failing", src } } },
      on: {
        message: [{ guard: ({ event }: At) => event.text === "make", ...making }, { actions: toPeer("echo") }],
      },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send("make");
    await runtime.settle();
    bob.send("hi");
    ann.send("make");
    await runtime.settle();
    bob.send("hi again");
    await runtime.settle();
    expect(bob.take()).toEqual(["hi, says its actor", "hi again, says its actor"]);
    // One that fails later is charged to the same peer.
    expect(runtime.server.stats().failures).toMatchObject([
      { connection: ann.id, error: { message: "bad" } },
      { connection: ann.id, error: { message: "bad" } },
    ]);
    for (let i = 0; i < 2; i++) {
      ann.send("make");
      await runtime.settle();
    }
    expect([ann.closed, bob.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
  });
});

describe("who deals with the failure", () => {
  const src = peers["a callback"] as AnyActorLogic;

  test.each<[string, boolean, string[]]>([
    ["by onError hears of it, and nothing is charged", true, ["bad"]],
    ["by an onError that does nothing is left alone", false, []],
  ])("%s", async (_what, isTold, told) => {
    const heard: string[] = [];
    const tell = ({ event }: { event: { error: Error } }): void => void heard.push(event.error.message);
    const machine = machineOf({
      invoke: { id: "peer", src, onError: isTold ? { actions: tell } : {} },
      on: { message: { actions: toPeer("peer") } },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    client.send("bad");
    client.send("hi");
    await runtime.settle();
    expect([heard, failures(runtime), client.take()]).toEqual([told, [], []]);
  });

  test.each<[string, object]>([
    ["action", { actions: fail }],
    ["guard", { guard: fail }],
  ])("by an onError whose %s throws has failed, and the child is lost alone", async (_what, onError) => {
    const machine = machineOf({
      invoke: [
        { id: "peer", src, onError },
        { id: "other", src },
      ],
      on: {
        message: {
          actions: sendTo(
            ({ event }: At) => (event.text === "bad" ? "peer" : "other"),
            ({ event }) => event,
          ),
        },
      },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    client.send("bad");
    client.send("hi");
    await runtime.settle();
    expect([failures(runtime).length, client.take()]).toEqual([1, ["hi, says its actor"]]);
  });
});

test("each of several children that one event costs is noted", async () => {
  const machine = machineOf({
    invoke: ["a", "b", "c"].map((id) => ({ id, src: peers["a callback"] as AnyActorLogic })),
    on: {
      message: { actions: ["a", "b"].map(toPeer) },
      info: { actions: sendTo("c", ({ event }) => ({ ...event, connection: undefined, text: "bad" })) },
    },
  });
  await using runtime = runtimeOf(fromLogic(machine));
  const client = await runtime.connect();
  client.send("bad");
  await runtime.settle();
  runtime.server.tell("x");
  await runtime.settle();
  expect(runtime.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual([
    ["logic", client.id],
    ["message", client.id],
    ["info", undefined],
  ]);
});

test("what a lost child has begun itself ends with it", async () => {
  let running = 0;
  const ticking = fromCallback(() => {
    running++;
    return () => void running--;
  });
  const family = machineOf({
    invoke: [{ src: ticking }, { src: machineOf({ invoke: { src: ticking } }) }],
    on: { message: { actions: fail } },
  });
  const atStart = machineOf({ invoke: { src: ticking }, entry: fail });
  const machine = machineOf({
    invoke: [
      { id: "family", src: family },
      { id: "family at its start", src: machineOf({ invoke: { src: atStart, onError: {} } }) },
    ],
    on: { message: { actions: toPeer("family") } },
  });
  await using runtime = runtimeOf(fromLogic(machine));
  const client = await runtime.connect();
  const before = running;
  client.send("x");
  await runtime.settle();
  expect([before - running, failures(runtime)]).toEqual([2, ["message: bad"]]);
});

describe("a step that fails", () => {
  test("starts nothing that it would have started, and stops nothing", async () => {
    const log: string[] = [];
    const noting = (name: string) =>
      fromCallback(({ receive }) => {
        log.push(`${name} begins`);
        receive(({ type }) => log.push(`${name} hears ${type}`));
        return () => void log.push(`${name} ends`);
      });
    const machine = machineOf({
      initial: "on",
      states: {
        on: {
          invoke: { id: "kept", src: noting("kept") },
          after: { 1000: { actions: sendTo("kept", { type: "its delay" }) } },
          on: { message: "broken" },
        },
        broken: { invoke: { id: "never", src: noting("never") }, entry: fail },
      },
      on: { info: { actions: sendTo("kept", { type: "info" }) } },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    for (let i = 0; i < 2; i++) client.send("x");
    await runtime.settle();
    runtime.server.tell("x");
    await runtime.advance(1_000);
    expect([log, failures(runtime)]).toEqual([
      ["kept begins", "kept hears info", "kept hears its delay"],
      ["message: bad", "message: bad"],
    ]);
    await runtime.close();
    expect(log.at(-1)).toBe("kept ends");
  });

  test("gives the systemIds back that it has given away", async () => {
    let isBroken = true;
    const machine = machineOf({
      on: {
        message: {
          actions: [
            spawnChild(peers["a callback"] as AnyActorLogic, { id: "peer", systemId: "only" }),
            () => isBroken && fail(),
            toPeer("peer"),
          ],
        },
      },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    client.send("x");
    await runtime.settle();
    isBroken = false;
    client.send("hi");
    await runtime.settle();
    expect([client.take(), failures(runtime)]).toEqual([["hi, says its actor"], ["message: bad"]]);
  });

  test("may be one that the machine's own effects make: the machine goes on", async () => {
    const stranger: { ref?: AnyActorRef } = {};
    const machine = machineOf({
      invoke: {
        src: machineOf({
          invoke: { src: fromCallback(({ self }) => void Object.assign(stranger, { ref: self })) },
        }),
      },
      on: {
        message: [
          {
            guard: ({ event }: At) => event.text === "bad",
            // It is no child of this machine, and may not be stopped by it.
            actions: enqueueActions(({ enqueue }) => stranger.ref && enqueue.stopChild(stranger.ref)),
          },
          { actions: ({ event }: At) => event.connection.send("here") },
        ],
      },
    });
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    client.send("bad");
    client.send("hi");
    await runtime.settle();
    expect([client.take(), failures(runtime)]).toEqual([
      ["here"],
      [expect.stringMatching(/^message: Cannot stop child/)],
    ]);
  });
});

describe("a child that fails when the logic starts", () => {
  const machine = machineOf({
    invoke: [
      { id: "bad", src: fromCallback(fail) },
      { id: "peer", src: peers["a callback"] as AnyActorLogic },
    ],
    on: { message: { actions: toPeer("peer") } },
  });

  test("is lost alone", async () => {
    await using runtime = runtimeOf(fromLogic(machine));
    const client = await runtime.connect();
    client.send("hi");
    expect([await client.next(), failures(runtime)]).toEqual(["hi, says its actor", ["logic: bad"]]);
  });

  test('under "restart" rejects serve', async () => {
    const runtime = runtimeOf(fromLogic(machine), "restart");
    await expect(runtime.connect()).rejects.toThrow("bad");
    await runtime.close().catch(() => {});
  });
});

describe("a failure of a connection's making that comes late", () => {
  const machine = machineOf({
    on: {
      message: {
        actions: spawnChild(
          fromPromise(async ({ input }: { input: { text: string } }) => {
            await Promise.resolve();
            throw new Error(input.text);
          }) as AnyActorLogic,
          { input: ({ event }: { event: Message }) => ({ text: event.text }) } as object,
        ),
      },
    },
  });

  test("is charged to that connection, and the route stays", async () => {
    await using runtime = runtimeOf(fromLogic(machine));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 4; i++) {
      ann.send(`late ${i}`);
      await runtime.settle();
    }
    expect(runtime.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual(
      Array(4).fill(["logic", ann.id]),
    );
    expect([ann.closed, bob.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
  });

  test("is charged to nobody once that connection has gone", async () => {
    const gates: (() => void)[] = [];
    const slow = fromPromise(async () => {
      await new Promise<void>((resolve) => gates.push(resolve));
      throw new Error("late");
    });
    const slowly = machineOf({ on: { message: { actions: spawnChild(slow as AnyActorLogic) } } });
    await using runtime = runtimeOf(fromLogic(slowly));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (let i = 0; i < 10; i++) ann.send("x");
    await runtime.settle();
    ann.close();
    await runtime.settle();
    for (const open of gates) open();
    await runtime.settle();
    expect([gates.length, failures(runtime), bob.closed]).toEqual([10, Array(10).fill("rejection: late"), undefined]);
  });

  test("is the handler's own where a delay has rung", async () => {
    const delayed = machineOf({
      initial: "on",
      states: { on: { on: { message: "soon" } }, soon: { after: { 100: { actions: fail } } } },
    });
    await using runtime = runtimeOf(fromLogic(delayed));
    const client = await runtime.connect();
    client.send("x");
    await runtime.advance(100);
    expect(runtime.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual([
      ["logic", undefined],
    ]);
  });
});

describe("a systemId", () => {
  const machine = machineOf({
    invoke: { id: "peer", systemId: "the peer", src: peers["a callback"] as AnyActorLogic },
    on: {
      message: {
        actions: sendTo(
          ({ system }) => system.get("the peer"),
          ({ event }) => event,
        ),
      },
      info: { actions: fail },
    },
  }) as AnyActorLogic;

  test("may be used on several routes and channels: each has its own actor", async () => {
    await using runtime = createTestRuntime({
      routes: {
        "/a": { handler: fromLogic(machine) },
        "/b": { handler: fromLogic(machine) },
        "/c": { handler: channels({ c: fromLogic(machine), d: fromLogic(machine) }) },
      },
    });
    const [a, b, c] = [
      await runtime.connect({ path: "/a" }),
      await runtime.connect({ path: "/b" }),
      await runtime.connect({ path: "/c" }),
    ];
    for (const text of ["sub,c", "sub,d", "msg,c,hi", "msg,d,hi"]) c.send(text);
    for (const client of [a, b]) client.send("hi");
    await runtime.settle();
    expect([a.take(), b.take(), c.take()]).toEqual([
      ["hi, says its actor"],
      ["hi, says its actor"],
      ["msg,c,hi, says its actor", "msg,d,hi, says its actor"],
    ]);
    const { system } = runtime.server.actor;
    expect([system.get("the peer")?.id, Object.keys(system.getAll()), system.get("nobody")]).toEqual([
      "peer",
      ["the peer"],
      undefined,
    ]);
  });

  test('is free again for the logic that starts afresh under "restart"', async () => {
    await using runtime = runtimeOf(fromLogic(machine), "restart");
    const client = await runtime.connect();
    client.send("bad");
    await runtime.settle();
    client.send("hi");
    runtime.server.tell("fails");
    client.send("hi again");
    await runtime.settle();
    expect([client.take(), failures(runtime)]).toEqual([
      ["hi, says its actor", "hi again, says its actor"],
      ["message: bad", "info: bad"],
    ]);
  });

  test("is looked up in the server's system, which shows the logic's actors as its own and forgets them with it", async () => {
    const runtime = createTestRuntime({ routes: { "/a": { handler: fromLogic(machine) } } });
    const client = await runtime.connect({ path: "/a" });
    const { actor } = runtime.server;
    const seen = new Set<unknown>();
    const roots = new Set<string>();
    const subscription = actor.system.inspect((event) => {
      roots.add(event.rootId);
      if (event.type === "@xstate.event" && "id" in event.actorRef) seen.add(event.actorRef.id);
    });
    client.send("hi");
    await runtime.settle();
    expect([...seen]).toEqual(expect.arrayContaining(["handler:/a", "peer"]));
    expect([...roots]).toEqual([actor.sessionId]);
    subscription.unsubscribe();
    seen.clear();
    client.send("hi");
    await runtime.settle();
    expect([...seen]).toEqual([]);
    await runtime.close();
    expect([actor.system.get("the peer"), actor.system.getAll()]).toEqual([undefined, {}]);
  });

  test("is seen by whoever looked on before the logic started afresh", async () => {
    await using runtime = runtimeOf(fromLogic(machine), "restart");
    const client = await runtime.connect();
    const begun: unknown[] = [];
    runtime.server.actor.system.inspect((event) => {
      if (event.type === "@xstate.actor" && "id" in event.actorRef) begun.push(event.actorRef.id);
    });
    client.send("bad");
    await runtime.settle();
    expect(begun).toEqual(["logic of handler:*", "handler:*", "peer"]);
  });
});
