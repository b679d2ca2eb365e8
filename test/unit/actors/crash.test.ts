/** An actor of ours that fails: its connection ends with 1011, alone, and its `closed` is delivered all the same. */
import type { ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import type { InspectionEvent } from "xstate";
import { HandStage, type HandTransport, Lines } from "../stage.js";

interface Scene {
  readonly stage: HandStage;
  readonly logger: Lines;
  readonly events: string[];
  readonly transports: readonly [HandTransport, HandTransport];
}

async function twoConnections(options: object = {}): Promise<Scene> {
  const logger = new Lines();
  const events: string[] = [];
  const stage = await HandStage.open({
    logger,
    heartbeat: false,
    ...options,
    handler(event: ServerEvent) {
      if (event.connection === undefined) return;
      const end = event.type === "closed" ? ` ${event.code} ${event.reason}, ${event.by}` : "";
      events.push(`${event.connection.id} ${event.type}${end}`);
    },
  });
  const transports = [await stage.connect(), await stage.connect()] as const;
  events.length = 0;
  return { stage, logger, events, transports };
}

function breakWriting(transport: HandTransport): void {
  transport.onWrite = () => {
    throw new Error("broken transport");
  };
}

describe("a sender that fails", () => {
  test("ends its connection with 1011, and nobody else's", async () => {
    const { stage, events, transports } = await twoConnections();
    breakWriting(transports[0]);
    stage.server.sendall("hello");
    await stage.settle();
    expect(transports.map((transport) => transport.take())).toEqual([
      ["write hello", "close 1011 handler failed", "resume"],
      ["write hello"],
    ]);
    expect(stage.server.connections().map(({ id }) => id)).toEqual(["c2"]);
    transports[0].end(1011);
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 , server"]);
    stage.server.sendall("again");
    await stage.settle();
    expect(transports.map((transport) => transport.take())).toEqual([[], ["write again"]]);
  });

  test("is logged, and is no failure of the handler", async () => {
    const { stage, logger, transports } = await twoConnections();
    breakWriting(transports[0]);
    stage.server.sendall("hello");
    await stage.settle();
    expect(logger.at("error")).toEqual([
      ["an actor failed", { err: new Error("broken transport"), actor: "sender:c1" }],
    ]);
    expect([stage.server.stats().failures, stage.server.isReady]).toEqual([[], true]);
  });

  test("lets the peer go after closeTimeoutMs, and leaves nothing behind", async () => {
    const { stage, events, transports } = await twoConnections();
    breakWriting(transports[0]);
    stage.server.sendall("hello");
    await stage.settle();
    transports[0].take();
    await stage.advance(5_000);
    expect(transports[0].take()).toEqual(["terminate"]);
    transports[0].end();
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 handler failed, server"]);
    expect([stage.clock.alarms, stage.server.stats().connections]).toEqual([0, 1]);
  });
});

describe("a receiver that fails", () => {
  test("ends its connection with 1011, alone, and closed is delivered past it", async () => {
    const { stage, logger, events, transports } = await twoConnections({
      mailbox: { highWaterEvents: 1, lowWaterEvents: 0 },
    });
    transports[0].onPause = () => {
      throw new Error("cannot pause");
    };
    transports[0].listener.message("lost with it", 12);
    await stage.settle();
    expect(transports[0].take()).toContain("close 1011 handler failed");
    transports[0].end(1011, "handler failed");
    transports[1].listener.message("fine", 4);
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 handler failed, server", "c2 message"]);
    expect(logger.at("error")).toEqual([["an actor failed", { err: new Error("cannot pause"), actor: "receiver:c1" }]]);
    expect([stage.server.stats().connections, stage.server.stats().failures]).toEqual([1, []]);
  });
});

test("an event that no actor knows does nothing to any of them", async () => {
  const { stage, logger, events, transports } = await twoConnections();
  const { actor } = stage.server;
  const actors = new Set<InspectionEvent["actorRef"]>([actor]);
  const { unsubscribe } = actor.system.inspect((event: InspectionEvent) => {
    actors.add(event.actorRef);
  });
  transports[0].listener.message("hello", 5);
  stage.server.sendall("hello");
  await stage.settle();
  const names = [...actors].map((one) => ("id" in one ? one.id : undefined));
  expect(names).toEqual(["server", "receiver:c1", "handler", "sender:c1", "sender:c2"]);
  events.length = 0;
  for (const transport of transports) transport.take();
  for (const one of actors) if ("send" in one) one.send({ type: "bogus" });
  await stage.settle();
  expect([events, transports.map((transport) => transport.take()), logger.at("error")]).toEqual([[], [[], []], []]);
  unsubscribe();
  transports[0].listener.message("still here?", 11);
  stage.server.sendall("yes");
  await stage.settle();
  expect([events, transports.map((transport) => transport.take())]).toEqual([
    ["c1 message"],
    [["write yes"], ["write yes"]],
  ]);
});
