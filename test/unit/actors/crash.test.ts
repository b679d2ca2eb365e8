/** An actor of ours that fails: its connection ends with 1011, alone, and its `closed` is delivered all the same. */
import type { ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import type { InspectionEvent } from "xstate";
import { HandStage, type HandWire, Lines } from "../stage.js";

interface Scene {
  readonly stage: HandStage;
  readonly logger: Lines;
  readonly events: string[];
  readonly wires: readonly [HandWire, HandWire];
}

async function twoConnections(options: object = {}): Promise<Scene> {
  const logger = new Lines();
  const events: string[] = [];
  const stage = await HandStage.open({
    logger,
    heartbeat: false,
    ...options,
    handler(event: ServerEvent) {
      if (event.type === "info") return;
      const end = event.type === "closed" ? ` ${event.code} ${event.reason}, ${event.by}` : "";
      events.push(`${event.connection.id} ${event.type}${end}`);
    },
  });
  const wires = [await stage.connect(), await stage.connect()] as const;
  events.length = 0;
  return { stage, logger, events, wires };
}

function breakWriting(wire: HandWire): void {
  wire.onWrite = () => {
    throw new Error("broken wire");
  };
}

describe("a sender that fails", () => {
  test("ends its connection with 1011, and nobody else's", async () => {
    const { stage, events, wires } = await twoConnections();
    breakWriting(wires[0]);
    stage.server.sendall("hello");
    await stage.settle();
    expect(wires.map((wire) => wire.take())).toEqual([
      ["write hello", "close 1011 handler failed", "resume"],
      ["write hello"],
    ]);
    expect(stage.server.connections().map(({ id }) => id)).toEqual(["c2"]);
    wires[0].end(1011);
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 , server"]);
    stage.server.sendall("again");
    await stage.settle();
    expect(wires.map((wire) => wire.take())).toEqual([[], ["write again"]]);
  });

  test("is logged, and is no failure of the handler", async () => {
    const { stage, logger, wires } = await twoConnections();
    breakWriting(wires[0]);
    stage.server.sendall("hello");
    await stage.settle();
    expect(logger.at("error")).toEqual([["an actor failed", { err: new Error("broken wire"), actor: "sender:c1" }]]);
    expect([stage.server.stats().failures, stage.server.isReady]).toEqual([[], true]);
  });

  test("lets the peer go after closeTimeoutMs, and leaves nothing behind", async () => {
    const { stage, events, wires } = await twoConnections();
    breakWriting(wires[0]);
    stage.server.sendall("hello");
    await stage.settle();
    wires[0].take();
    await stage.advance(5_000);
    expect(wires[0].take()).toEqual(["terminate"]);
    wires[0].end();
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 handler failed, server"]);
    expect([stage.clock.alarms, stage.server.stats().connections]).toEqual([0, 1]);
  });
});

describe("a receiver that fails", () => {
  test("ends its connection with 1011, alone, and closed is delivered past it", async () => {
    const { stage, logger, events, wires } = await twoConnections({
      mailbox: { highWaterEvents: 1, lowWaterEvents: 0 },
    });
    wires[0].onPause = () => {
      throw new Error("cannot pause");
    };
    wires[0].peer.message("lost with it", 12);
    await stage.settle();
    expect(wires[0].take()).toContain("close 1011 handler failed");
    wires[0].end(1011, "handler failed");
    wires[1].peer.message("fine", 4);
    await stage.settle();
    expect(events).toEqual(["c1 closed 1011 handler failed, server", "c2 message"]);
    expect(logger.at("error")).toEqual([["an actor failed", { err: new Error("cannot pause"), actor: "receiver:c1" }]]);
    expect([stage.server.stats().connections, stage.server.stats().failures]).toEqual([1, []]);
  });
});

test("an event that no actor knows does nothing to any of them", async () => {
  const { stage, logger, events, wires } = await twoConnections();
  const { actor } = stage.server;
  const actors = new Set<InspectionEvent["actorRef"]>([actor]);
  const { unsubscribe } = actor.system.inspect((event: InspectionEvent) => {
    actors.add(event.actorRef);
  });
  wires[0].peer.message("hello", 5);
  stage.server.sendall("hello");
  await stage.settle();
  const names = [...actors].map((one) => ("id" in one ? one.id : undefined));
  expect(names).toEqual(["server", "receiver:c1", "handler", "sender:c1", "sender:c2"]);
  events.length = 0;
  for (const wire of wires) wire.take();
  for (const one of actors) if ("send" in one) one.send({ type: "bogus" });
  await stage.settle();
  expect([events, wires.map((wire) => wire.take()), logger.at("error")]).toEqual([[], [[], []], []]);
  unsubscribe();
  wires[0].peer.message("still here?", 11);
  stage.server.sendall("yes");
  await stage.settle();
  expect([events, wires.map((wire) => wire.take())]).toEqual([["c1 message"], [["write yes"], ["write yes"]]]);
});
