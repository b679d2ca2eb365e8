/** The steps of `server.close`, seen from the transports and the handler (ARCHITECTURE.md). */
import type { Bus, ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { HandStage, type HandTransport, nextRound } from "../stage.js";

/** Closes with as much time as it takes; `onRound` plays the peers. */
async function closeAll(stage: HandStage, onRound: () => void = () => {}): Promise<void> {
  let isClosed = false;
  const closing = stage.server.close().then(() => {
    isClosed = true;
  });
  while (!isClosed) {
    onRound();
    await stage.settle();
    if (!isClosed) stage.clock.ringNext(Number.POSITIVE_INFINITY);
  }
  await closing;
}

/** A peer that answers a close frame. */
function answer(transport: HandTransport): void {
  const frame = transport.calls.find((call) => call.startsWith("close "));
  if (frame === undefined) return;
  transport.calls.length = 0;
  transport.end(Number(frame.split(" ")[1]), frame.split(" ").slice(2).join(" "));
}

describe("closing a server", () => {
  test("pauses every transport first, then says goodbye to each, which resumes it", async () => {
    const events: string[] = [];
    const stage = await HandStage.open({
      handler(event: ServerEvent) {
        events.push(event.type === "closed" ? `closed ${event.code} ${event.reason} ${event.by}` : event.type);
      },
    });
    const transports = [await stage.connect(), await stage.connect()];
    stage.server.sendall("held for the end");
    const closing = stage.server.close();
    expect([stage.server.isReady, stage.server.actor.getSnapshot().value]).toEqual([false, "draining"]);
    expect(transports.map((transport) => transport.take())).toEqual([["pause"], ["pause"]]);
    transports[0]?.listener.message("too late", 8);
    await stage.settle();
    const goodbye = ["write held for the end", "close 1001 going away", "resume"];
    expect(transports.map((transport) => transport.take())).toEqual([goodbye, goodbye]);
    for (const transport of transports) transport.end(1001, "going away");
    await stage.settle();
    await closing;
    const closed = "closed 1001 going away server";
    expect(events).toEqual(["open", "open", closed, closed]);
    expect([stage.clock.alarms, stage.clock.now()]).toEqual([0, 0]);
    expect([stage.server.actor.getSnapshot().value, await stage.server.closed]).toEqual([
      "closed",
      { reason: "close" },
    ]);
  });

  test("does not hold up a connection that is being closed already: its peer's answer is read", async () => {
    const stage = await HandStage.open({ heartbeat: false, handler() {} });
    const transport = await stage.connect();
    stage.server.connections()[0]?.close(4000);
    expect(transport.take()).toEqual(["close 4000", "resume"]);
    const closing = stage.server.close();
    await stage.settle();
    expect(transport.take()).toEqual([]);
    transport.end(4000);
    await stage.settle();
    await closing;
    expect(stage.clock.now()).toBe(0);
  });

  test("lets the handler finish what has arrived, for as long as drainMs", async () => {
    const handled: string[] = [];
    const stage = await HandStage.open({
      async handler(event: ServerEvent, bus: Bus) {
        if (event.type !== "message") return;
        await bus.sleep(40);
        handled.push(event.text);
      },
    });
    const transport = await stage.connect();
    for (const text of ["a", "b", "c"]) transport.listener.message(text, 1);
    await stage.settle();
    void stage.server.close({ drainMs: 100 });
    await stage.advance(99);
    expect([handled, transport.take()]).toEqual([["a", "b"], ["pause"]]);
    await stage.advance(1);
    expect(transport.take()).toEqual(["close 1001 going away", "resume"]);
    transport.end(1001);
    await stage.advance(1_000);
    expect(handled).toEqual(["a", "b"]);
    expect(stage.server.stats().failures).toMatchObject([
      { event: "message", data: "c", error: { code: "HANDLER_TIMEOUT" } },
    ]);
  });

  test("cuts who does not answer within closeTimeoutMs, and delivers its closed", async () => {
    const closed: unknown[] = [];
    const stage = await HandStage.open({
      closeTimeoutMs: 200,
      handler(event: ServerEvent) {
        if (event.type === "closed") closed.push([event.code, event.wasClean, event.by]);
      },
    });
    const transport = await stage.connect();
    let isClosed = false;
    void stage.server.close({ code: 4000, reason: "moving" }).then(() => {
      isClosed = true;
    });
    await stage.advance(199);
    expect([transport.take(), isClosed]).toEqual([["pause", "close 4000 moving", "resume"], false]);
    await stage.advance(1);
    expect(transport.take()[0]).toBe("terminate");
    transport.end();
    await stage.settle();
    expect([closed, isClosed]).toEqual([[[4000, false, "server"]], true]);
  });

  test("sends the close frames to some connections a turn", async () => {
    const stage = await HandStage.open({ heartbeat: false, handler() {} });
    const transports: HandTransport[] = [];
    for (let i = 0; i < 600; i++) {
      const transport = await stage.admit("/");
      if ("calls" in transport) transports.push(transport);
    }
    await stage.settle();
    const closing = stage.server.close();
    const counts: number[] = [];
    while (counts.at(-1) !== 600) {
      await nextRound();
      const count = transports.filter((transport) => transport.calls.some((call) => call.startsWith("close "))).length;
      if (count !== counts.at(-1)) counts.push(count);
      if (count < 600) stage.clock.runSteps();
    }
    expect(counts.filter((count) => count > 0)).toEqual([256, 512, 600]);
    for (const transport of transports) transport.end(1001);
    await stage.settle();
    await closing;
    expect(stage.server.stats().connections).toBe(0);
  });

  test("calls stop once, after the last event, with the last state; its messages to nobody are no error", async () => {
    const order: string[] = [];
    const stage = await HandStage.open({
      handler: {
        init: () => 0,
        handle(event: ServerEvent, state: number) {
          order.push(`${event.type} ${state}`);
          return state + 1;
        },
        async stop(state: number, bus: Bus) {
          bus.sendall("nobody is here");
          await null;
          order.push(`stop ${state} ${bus.connections().length}`);
        },
      },
    });
    const transport = await stage.connect();
    await closeAll(stage, () => answer(transport));
    expect(order).toEqual(["open 0", "closed 1", "stop 2 0"]);
  });

  test("outlives a stop that throws, and one that never ends", async () => {
    for (const stop of [() => Promise.reject(new Error("stop")), () => new Promise<void>(() => {})]) {
      const stage = await HandStage.open({ handler: { init: () => 0, handle() {}, stop } });
      await closeAll(stage);
      expect(await stage.server.closed).toEqual({ reason: "close" });
    }
  });

  test("ends alarms, and wakes nobody who sleeps", async () => {
    const woken: string[] = [];
    const stage = await HandStage.open({ handler: (event: ServerEvent) => void woken.push(event.type) });
    stage.server.after(60_000, "alarm");
    void stage.server.sleep(60_000).then(() => woken.push("sleeper"));
    await closeAll(stage);
    expect(stage.clock.alarms).toBe(0);
    await stage.advance(120_000);
    expect(woken).toEqual([]);
  });

  test("a second time returns the same promise", async () => {
    const stage = await HandStage.open({ handler() {} });
    const first = stage.server.close();
    expect(stage.server.close({ drainMs: 1 })).toBe(first);
    await stage.settle();
    await first;
    expect(stage.server.close()).toBe(first);
  });
});
