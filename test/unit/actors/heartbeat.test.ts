/** The heartbeat in virtual time: who is pinged, who is given up, and exactly when. */
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Heartbeat, type HeartbeatSettings } from "../../../src/actors/connection/heartbeat.js";
import type { Alarm, Timer } from "../../../src/runtime/clock.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";

const SETTINGS: HeartbeatSettings = { intervalMs: 100, timeoutMs: 40, maxPauseMs: 500 };

/** A peer that is watched, and what the heartbeat did to it by the clock. */
class Patient extends Heartbeat {
  readonly clock: HandClock;
  readonly done: string[] = [];
  lastHeardAt = 0;
  heardAt(): number {
    return this.lastHeardAt;
  }
  pausedAt: number | undefined;
  isResting = false;
  /** Answers each ping after so long; `undefined` never. */
  answersAfterMs: number | undefined;

  constructor(settings = SETTINGS, clock = new HandClock()) {
    super();
    this.clock = clock;
    this.watch(settings);
  }

  hear(): void {
    this.lastHeardAt = this.clock.now();
  }

  sendHeartbeat(): void {
    this.done.push(`ping ${this.clock.now()}`);
    if (this.answersAfterMs !== undefined) this.clock.after(this.answersAfterMs, () => this.hear());
  }

  onDead(): void {
    this.done.push(`give up ${this.clock.now()}`);
    this.cancel();
  }
}

describe("a peer", () => {
  test("that is silent is pinged after intervalMs, given up timeoutMs later, and then left alone", () => {
    const patient = new Patient();
    patient.clock.pass(99);
    expect(patient.done).toEqual([]);
    patient.clock.pass(40);
    expect(patient.done).toEqual(["ping 100"]);
    patient.clock.pass(1);
    expect(patient.done).toEqual(["ping 100", "give up 140"]);
    patient.clock.pass(10_000);
    expect([patient.done.length, patient.clock.alarms]).toEqual([2, 0]);
  });

  test("that answers is kept, and pinged again when it has been silent for so long", () => {
    const patient = new Patient();
    patient.answersAfterMs = 0;
    patient.clock.pass(350);
    expect(patient.done).toEqual(["ping 100", "ping 200", "ping 300"]);
  });

  test("that answers at once is kept by a clock that rings late, as every real one does", () => {
    class LateClock extends HandClock {
      override after(ms: number, ring: (() => void) | Alarm): Timer {
        return super.after(ms + 3, ring);
      }
    }
    const patient = new Patient(SETTINGS, new LateClock());
    patient.answersAfterMs = -3;
    patient.clock.pass(10_000);
    expect(patient.done.filter((what) => what.startsWith("give up"))).toEqual([]);
    expect(patient.done.length).toBeGreaterThan(90);
  });

  test("that answers in the last moment is kept, and one moment later is not", () => {
    const [late, tooLate] = [new Patient(), new Patient()];
    late.answersAfterMs = 39;
    tooLate.answersAfterMs = 41;
    for (const { clock } of [late, tooLate]) clock.pass(200);
    expect([late.done, tooLate.done]).toEqual([["ping 100"], ["ping 100", "give up 140"]]);
  });

  test("that says something else in time is kept as well", () => {
    const patient = new Patient();
    patient.clock.pass(120);
    patient.hear();
    patient.clock.pass(99);
    expect(patient.done).toEqual(["ping 100"]);
    patient.clock.pass(1);
    expect(patient.done).toEqual(["ping 100", "ping 220"]);
  });

  test("that keeps talking is never pinged", () => {
    const patient = new Patient();
    for (let i = 0; i < 100; i++) {
      patient.clock.pass(99);
      patient.hear();
    }
    expect(patient.done).toEqual([]);
  });

  test("that falls silent is pinged intervalMs after its last word", () => {
    const patient = new Patient();
    patient.clock.pass(70);
    patient.hear();
    patient.clock.pass(99);
    expect(patient.done).toEqual([]);
    patient.clock.pass(1);
    expect(patient.done).toEqual(["ping 170"]);
  });

  test("that we have paused is left alone, but for no longer than maxPauseMs", () => {
    const patient = new Patient();
    patient.clock.pass(50);
    patient.hear();
    patient.pausedAt = 50;
    patient.clock.pass(499);
    expect(patient.done).toEqual([]);
    // It is looked at once in intervalMs.
    patient.clock.pass(151);
    expect(patient.done).toEqual(["ping 600", "give up 640"]);
  });

  test("that was paused and goes on is watched again", () => {
    const patient = new Patient();
    patient.pausedAt = 0;
    patient.clock.pass(250);
    patient.pausedAt = undefined;
    patient.hear();
    patient.answersAfterMs = 0;
    patient.clock.pass(150);
    expect(patient.done).toEqual(["ping 350"]);
  });

  test("is not watched any more once the heartbeat is cancelled", () => {
    const [before, after] = [new Patient(), new Patient()];
    before.cancel();
    after.clock.pass(110);
    after.cancel();
    for (const patient of [before, after]) {
      patient.clock.pass(1_000);
      expect(patient.clock.alarms).toBe(0);
    }
    expect([before.done, after.done]).toEqual([[], ["ping 100"]]);
  });

  test("has the whole of timeoutMs also when timeoutMs is longer than intervalMs", () => {
    const patient = new Patient({ ...SETTINGS, timeoutMs: 300 });
    patient.clock.pass(399);
    expect(patient.done).toEqual(["ping 100"]);
    patient.clock.pass(1);
    expect(patient.done).toEqual(["ping 100", "give up 400"]);
  });
});

describe("a server", () => {
  test("keeps a peer that answers pings, with a round trip of 0 in virtual time", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const client = await runtime.connect();
    await runtime.advance(200_000);
    expect(client.closed).toBeUndefined();
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  });

  test("cuts a silent peer after intervalMs and timeoutMs: closed with 1006, lost", async () => {
    const closed: unknown[] = [];
    await using runtime = createTestRuntime({
      handler(event) {
        if (event.type === "closed") closed.push([event.code, event.wasClean, event.by]);
      },
    });
    const client = await runtime.connect();
    client.stall();
    await runtime.advance(44_999);
    expect(closed).toEqual([]);
    await runtime.advance(1);
    expect([closed, runtime.server.stats().connections]).toEqual([[[1006, false, "lost"]], 0]);
  });

  test("leaves silent peers alone with heartbeat: false", async () => {
    await using runtime = createTestRuntime({ heartbeat: false, handler() {} });
    const client = await runtime.connect();
    client.stall();
    await runtime.advance(10_000_000);
    expect(runtime.server.stats().connections).toBe(1);
    client.resume();
  });

  test("does not blame a peer for the handler that does not get on: it is paused, not silent", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handlerTimeoutMs: 100_000,
      mailbox: { highWaterEvents: 2, lowWaterEvents: 0 },
      handler: (event, bus) => (event.type === "message" ? bus.sleep(60_000) : undefined),
    });
    const client = await runtime.connect();
    for (let i = 0; i < 4; i++) client.send(String(i));
    await runtime.settle();
    expect(runtime.server.stats().paused).toBe(1);
    await runtime.advance(59_999);
    expect([runtime.server.stats().paused, client.closed]).toEqual([1, undefined]);
  });
});
