/** The machine of the client, which is a pure function, against a model and against what a line, a device and a clock may do. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Backoff, type Effect, type Machine, START, step as stepOf } from "../../../src/client/machine.js";

/** An event of the machine, with the names of what it carries. */
type MachineEvent =
  | { readonly type: "upgraded" | "heard" | "message" | "close" | "hint" }
  | { readonly type: "opened"; readonly limitMs: number }
  | { readonly type: "ended"; readonly isFinal: boolean; readonly random: number }
  | { readonly type: "phase" | "silence"; readonly lateMs: number; readonly silentMs: number };

function step(machine: Machine, event: MachineEvent, backoff: Backoff | false): readonly [Machine, Effect] {
  if (event.type === "opened") return stepOf(machine, backoff, event.type, event.limitMs);
  if (event.type === "ended") return stepOf(machine, backoff, event.type, event.isFinal, event.random);
  if (event.type === "heard" || event.type === "message")
    return stepOf(machine, backoff, "heard", event.type === "message");
  if ("lateMs" in event) return stepOf(machine, backoff, event.type, event.lateMs, event.silentMs);
  return stepOf(machine, backoff, event.type);
}

const BACKOFF: Backoff = { minMs: 1_000, maxMs: 10_000, factor: 2, jitter: 0, attempts: Number.POSITIVE_INFINITY };
const MINUTE = 60_000;
const HEARTBEAT_MS = 45_000;

/** A machine with its two alarms, on a clock that the test moves. */
class Drive {
  machine: Machine = START[0];
  now = 0;
  heardAt = 0;
  /** What the machine has asked for, and when. */
  readonly acts: [act: string, at: number][] = [];
  readonly #backoff: Backoff | false;
  #phaseAt: number | undefined;
  #silenceAt: number | undefined;

  constructor(backoff: Backoff | false = BACKOFF) {
    this.#backoff = backoff;
    this.#carryOut(START[1]);
  }

  /** A connection that is open, whose server may be silent for so long. */
  static open(limitMs = HEARTBEAT_MS, machine: Machine = START[0]): Drive {
    const drive = new Drive();
    drive.machine = { ...machine, state: "connecting" };
    drive.take({ type: "opened", limitMs });
    drive.acts.length = 0;
    return drive;
  }

  get phaseMs(): number | undefined {
    return this.#phaseAt === undefined ? undefined : this.#phaseAt - this.now;
  }

  get silenceMs(): number | undefined {
    return this.#silenceAt === undefined ? undefined : this.#silenceAt - this.now;
  }

  take(event: MachineEvent): void {
    const [next, effect] = step(this.machine, event, this.#backoff);
    this.machine = next;
    this.#carryOut(effect);
  }

  /** Anything comes from the server. */
  hear(): void {
    this.heardAt = this.now;
    this.take({ type: "heard" });
  }

  /** Anything comes at a later time, whichever alarms are due meanwhile. */
  hearAt(at: number): void {
    this.now = at;
    this.hear();
  }

  /** Rings the alarm for silence, `lateMs` after its time. */
  ringSilence(lateMs = 0): void {
    const dueAt = this.#silenceAt;
    if (dueAt === undefined) throw new Error("no alarm for silence is set");
    this.now = dueAt + lateMs;
    this.#silenceAt = undefined;
    this.take({ type: "silence", lateMs, silentMs: this.now - this.heardAt });
  }

  /** Lets time pass; each alarm rings on time. */
  pass(ms: number, isHeardEveryMs = Number.POSITIVE_INFINITY): void {
    const end = this.now + ms;
    for (;;) {
      const hearAt = this.heardAt + isHeardEveryMs;
      const next = Math.min(hearAt, this.#silenceAt ?? Number.POSITIVE_INFINITY);
      if (next > end) break;
      if (next === this.#silenceAt) this.ringSilence();
      else {
        this.now = next;
        this.hear();
      }
    }
    this.now = end;
  }

  /** The acts since the last call. */
  takeActs(): [act: string, at: number][] {
    return this.acts.splice(0);
  }

  #carryOut({ act, phaseMs, silenceMs }: Effect): void {
    if (phaseMs !== undefined) this.#phaseAt = this.now + phaseMs;
    if (silenceMs !== undefined) this.#silenceAt = this.now + silenceMs;
    else if (this.machine.state !== "open") this.#silenceAt = undefined;
    if (this.machine.state === "closed") this.#phaseAt = undefined;
    if (act) this.acts.push([act, this.now]);
  }
}

/** How long a server may be silent before a client that has just opened drops the connection. */
function patienceOf(drive: Drive): number {
  const openedAt = drive.now;
  while (drive.takeActs().every(([act]) => act !== "terminate")) drive.ringSilence();
  return drive.now - openedAt;
}

const anyEvent: fc.Arbitrary<MachineEvent> = fc.oneof(
  fc.constantFrom<MachineEvent>(
    { type: "upgraded" },
    { type: "heard" },
    { type: "message" },
    { type: "close" },
    { type: "hint" },
  ),
  fc.constantFrom(0, 1, 1_000, HEARTBEAT_MS).map((limitMs): MachineEvent => ({ type: "opened", limitMs })),
  fc
    .record({ isFinal: fc.boolean(), random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) })
    .map((ended): MachineEvent => ({ type: "ended", ...ended })),
  fc
    .record({
      type: fc.constantFrom("phase" as const, "silence" as const),
      lateMs: fc.integer({ min: -MINUTE, max: MINUTE }),
      silentMs: fc.integer({ min: -MINUTE, max: 11 * MINUTE }),
    })
    .map((rung): MachineEvent => rung),
);

const anyBackoff: fc.Arbitrary<Backoff | false> = fc.oneof(
  fc.constant(false as const),
  fc.record({
    minMs: fc.constantFrom(0, 1, 1_000),
    maxMs: fc.constantFrom(0, 500, 10_000),
    factor: fc.constantFrom(1, 2, 1e300),
    jitter: fc.constantFrom(0, 0.5, 1),
    attempts: fc.constantFrom(0, 1, 3, Number.POSITIVE_INFINITY),
  }),
);

/** What a client is: no alarms, no times, only the rules for its states. */
function modelOf(state: string, retries: number, event: MachineEvent, backoff: Backoff | false): string {
  if (state === "closed") return "closed";
  if (event.type === "ended") {
    const mayRetry = state !== "closing" && !event.isFinal && backoff !== false && retries < backoff.attempts;
    return mayRetry ? "waiting" : "closed";
  }
  if (event.type === "close") return "closing";
  if (state === "connecting" && event.type === "opened") return "open";
  if (state === "waiting" && (event.type === "phase" || event.type === "hint")) return "connecting";
  return state;
}

describe("under any events", () => {
  const anyRun = fc.tuple(anyBackoff, fc.array(anyEvent, { maxLength: 60 }));

  test("the state and the retries are those of the model", () => {
    fc.assert(
      fc.property(anyRun, ([backoff, events]) => {
        let [machine] = START;
        let retries = 0;
        for (const event of events) {
          const expected = modelOf(machine.state, retries, event, backoff);
          const isAnOpenProof = machine.state === "open" && (event.type === "message" || event.type === "phase");
          if (isAnOpenProof) retries = 0;
          if (event.type === "ended" && expected === "waiting") retries++;
          [machine] = step(machine, event, backoff);
          expect([machine.state, expected === "closed" || machine.retries]).toEqual([
            expected,
            expected === "closed" || retries,
          ]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("closed is final: nothing changes, nothing is done", () => {
    fc.assert(
      fc.property(
        fc.record({ limitMs: fc.nat(), patience: fc.integer({ min: 1, max: 64 }) }),
        anyEvent,
        (rest, event) => {
          const closed: Machine = { ...START[0], ...rest, state: "closed" };
          expect(step(closed, event, BACKOFF)).toEqual([closed, {}]);
        },
      ),
    );
  });

  test("a dial follows the end of the dial before, and each wait is within its bounds", () => {
    fc.assert(
      fc.property(anyRun, ([backoff, events]) => {
        let [machine, effect] = START;
        let unfinished = 1;
        for (const event of events) {
          // The owner of the machine reports one end for each dial.
          if (event.type === "ended" && unfinished === 0) continue;
          if (event.type === "ended") unfinished--;
          const { retries } = machine;
          [machine, effect] = step(machine, event, backoff);
          if (effect.act === "dial") unfinished++;
          expect(unfinished).toBeLessThanOrEqual(1);
          for (const ms of [effect.phaseMs, effect.silenceMs])
            if (ms !== undefined) expect(ms).toBeGreaterThanOrEqual(0);
          if (event.type === "ended" && machine.state === "waiting" && backoff !== false) {
            const longest =
              backoff.minMs === 0 ? 0 : Math.min(backoff.maxMs, backoff.minMs * backoff.factor ** retries);
            expect(effect.phaseMs).toBeLessThanOrEqual(longest);
            expect(effect.phaseMs).toBeGreaterThanOrEqual(longest * (1 - backoff.jitter));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("no wait stays no wait, however large the factor and however many dials have failed", () => {
    let [machine] = START;
    for (let i = 0; i < 5; i++) {
      const dialling: Machine = { ...machine, state: "connecting" };
      const [next, effect] = step(
        dialling,
        { type: "ended", isFinal: false, random: 0.5 },
        { ...BACKOFF, minMs: 0, factor: 1e300 },
      );
      expect(effect.phaseMs).toBe(0);
      machine = next;
    }
    expect(machine.retries).toBe(5);
  });

  test("an open connection with a limit always has an alarm, and a machine that is not open asks nothing", () => {
    fc.assert(
      fc.property(anyRun, ([backoff, events]) => {
        let [machine] = START;
        let isAlarmSet = false;
        for (const event of events) {
          const before = machine.state;
          // An alarm rings only if it is set; a closed socket is not heard.
          if (event.type === "silence" && !isAlarmSet) continue;
          let effect: Effect;
          [machine, effect] = step(machine, event, backoff);
          if (event.type === "silence" || machine.state !== "open") isAlarmSet = false;
          if (effect.silenceMs !== undefined) isAlarmSet = true;
          if (effect.act === "ask") expect([before, machine.state]).toEqual(["open", "open"]);
          if (effect.act === "terminate") isAlarmSet = machine.state === "open";
          if (machine.state === "open") expect(isAlarmSet).toBe(machine.limitMs > 0);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("an attempt", () => {
  test("is given up after 30 s, or 10 s after the handshake if the welcome does not come", () => {
    const drive = new Drive();
    expect([drive.takeActs(), drive.phaseMs]).toEqual([[["dial", 0]], 30_000]);
    drive.take({ type: "upgraded" });
    expect([drive.machine.state, drive.phaseMs]).toEqual(["connecting", 10_000]);
    drive.take({ type: "phase", lateMs: 0, silentMs: 0 });
    expect(drive.takeActs()).toEqual([["terminate", 0]]);
  });

  test("that a close interrupts has 5 s to end", () => {
    const drive = new Drive();
    drive.take({ type: "close" });
    expect([drive.machine.state, drive.phaseMs, drive.takeActs().at(-1)]).toEqual(["closing", 5_000, ["close", 0]]);
    drive.take({ type: "opened", limitMs: HEARTBEAT_MS });
    drive.take({ type: "phase", lateMs: 0, silentMs: 0 });
    expect([drive.machine.state, drive.takeActs()]).toEqual(["closing", [["terminate", 0]]]);
  });
});

describe("a silent server", () => {
  test.each([1, 999, 1_000, 2_500, HEARTBEAT_MS, 11 * MINUTE])(
    "is dropped after exactly %i ms, without a question",
    (limitMs) => {
      const drive = Drive.open(limitMs);
      drive.pass(limitMs - 1);
      expect(drive.takeActs()).toEqual([]);
      drive.pass(1);
      expect(drive.takeActs()).toEqual([["terminate", limitMs]]);
    },
  );

  test("is dropped the limit after the last sign of life, wherever that falls between two alarms", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: HEARTBEAT_MS - 1 }), { maxLength: 10 }), (gaps) => {
        const drive = Drive.open();
        for (const gap of gaps) {
          drive.pass(gap);
          drive.hear();
        }
        expect(drive.takeActs()).toEqual([]);
        const heardAt = drive.now;
        drive.pass(HEARTBEAT_MS);
        expect(drive.takeActs()).toEqual([["terminate", heardAt + HEARTBEAT_MS]]);
      }),
    );
  });

  test("that announces no limit is never dropped and never asked", () => {
    const drive = Drive.open(0);
    expect(drive.silenceMs).toBeUndefined();
    drive.take({ type: "hint" });
    expect(drive.takeActs()).toEqual([]);
  });

  test.each([1_001, 4_000, MINUTE])("is asked first if the alarm rings %i ms late, and dropped 5 s later", (lateMs) => {
    const drive = Drive.open(4_000);
    for (let i = 0; i < 3; i++) drive.ringSilence();
    drive.ringSilence(lateMs);
    const askedAt = drive.now;
    expect(drive.takeActs()).toEqual([["ask", askedAt]]);
    drive.pass(4_999);
    expect(drive.takeActs()).toEqual([]);
    drive.pass(1);
    expect(drive.takeActs()).toEqual([["terminate", askedAt + 5_000]]);
  });

  test("is dropped if the alarm rings 1 s late: less than a process that was held up", () => {
    const drive = Drive.open(4_000);
    for (let i = 0; i < 3; i++) drive.ringSilence();
    drive.ringSilence(1_000);
    expect(drive.takeActs()).toEqual([["terminate", 5_000]]);
  });

  test("that answers what it was asked is kept, and has its whole limit again", () => {
    const drive = Drive.open();
    drive.take({ type: "hint" });
    drive.pass(4_999);
    drive.hear();
    const heardAt = drive.now;
    expect(drive.takeActs()).toEqual([["ask", 0]]);
    drive.pass(HEARTBEAT_MS);
    expect(drive.takeActs()).toEqual([["terminate", heardAt + HEARTBEAT_MS]]);
  });

  test("is dropped after two late rings in a row while the client asks: once the unread bytes may hold the answer, not twice", () => {
    const drive = Drive.open();
    drive.take({ type: "hint" });
    drive.takeActs();
    drive.ringSilence(30_000);
    expect([drive.takeActs(), drive.silenceMs]).toEqual([[], 5_000]);
    drive.ringSilence(30_000);
    expect(drive.takeActs().map(([act]) => act)).toEqual(["terminate"]);
  });
});

describe("a jump of the clock", () => {
  test.each([
    ["forwards by more than 5 s, with most of the limit over", 23_000],
    ["forwards by an hour, with more than the limit over", 60 * MINUTE],
    ["backwards by more than 5 s", -5_001],
    ["backwards by an hour", -60 * MINUTE],
  ])("%s makes the client ask at once", (_what, lateMs) => {
    const drive = Drive.open();
    drive.ringSilence(lateMs);
    expect(drive.takeActs()).toEqual([["ask", drive.now]]);
    expect(drive.silenceMs).toBe(5_000);
  });

  test.each([-5_000, -1, 0, 1_000, 5_000])("of %i ms is none: the client listens on", (lateMs) => {
    const drive = Drive.open();
    drive.ringSilence(lateMs);
    expect(drive.takeActs()).toEqual([]);
    expect(drive.silenceMs).toBeGreaterThan(0);
  });

  test("is noticed within a quarter of the limit, since the alarm rings that often", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4_000, max: 10 * MINUTE }), (limitMs) => {
        const drive = Drive.open(limitMs);
        for (let i = 0; i < 4 && drive.takeActs().length === 0; i++) {
          expect(drive.silenceMs).toBeLessThanOrEqual(limitMs / 4);
          drive.ringSilence();
        }
        expect(drive.now).toBeCloseTo(limitMs, 5);
      }),
    );
  });
});

test("a hidden page whose alarms ring up to a minute late neither drops nor asks a server that is heard every 30 s", () => {
  const HEARD_EVERY_MS = 30_000;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: MINUTE }), { minLength: 50, maxLength: 50 }), (delays) => {
      const drive = Drive.open();
      let hearAt = HEARD_EVERY_MS;
      for (const lateMs of delays) {
        // Frames wake a page up at once.
        for (; hearAt <= drive.now + (drive.silenceMs ?? 0) + lateMs; hearAt += HEARD_EVERY_MS) drive.hearAt(hearAt);
        drive.ringSilence(lateMs);
        expect(drive.takeActs()).toEqual([]);
      }
    }),
  );
});

describe("patience", () => {
  /** The machine of the connection after one that was dropped for silence. */
  function afterDrop(machine: Machine, limitMs: number): Machine {
    const drive = Drive.open(limitMs, machine);
    while (drive.takeActs().every(([act]) => act !== "terminate")) drive.ringSilence();
    drive.take({ type: "ended", isFinal: false, random: 0 });
    drive.take({ type: "phase", lateMs: 0, silentMs: 0 });
    return drive.machine;
  }

  test.each([
    [HEARTBEAT_MS, [45_000, 90_000, 180_000, 360_000, 600_000, 600_000]],
    [7 * MINUTE, [420_000, 600_000, 600_000]],
    [20 * MINUTE, [1_200_000, 1_200_000, 1_200_000]],
  ])("for a limit of %i ms grows with each drop, up to 10 minutes or the limit: %j", (limitMs, expected) => {
    let [machine] = START;
    const found = expected.map(() => {
      const ms = patienceOf(Drive.open(limitMs, machine));
      machine = afterDrop(machine, limitMs);
      return ms;
    });
    expect(found).toEqual(expected);
  });

  test("is the limit again with the first message, not with a sign of life", () => {
    const machine = afterDrop(afterDrop(START[0], HEARTBEAT_MS), HEARTBEAT_MS);
    const heard = Drive.open(HEARTBEAT_MS, machine);
    heard.hear();
    expect(patienceOf(heard)).toBe(4 * HEARTBEAT_MS);
    const drive = Drive.open(HEARTBEAT_MS, machine);
    drive.take({ type: "message" });
    drive.take({ type: "ended", isFinal: false, random: 0 });
    drive.take({ type: "phase", lateMs: 0, silentMs: 0 });
    expect(patienceOf(Drive.open(HEARTBEAT_MS, drive.machine))).toBe(HEARTBEAT_MS);
  });

  test("does not grow by any other end", () => {
    const drive = Drive.open();
    drive.take({ type: "ended", isFinal: false, random: 0 });
    drive.take({ type: "hint" });
    expect(patienceOf(Drive.open(HEARTBEAT_MS, drive.machine))).toBe(HEARTBEAT_MS);
  });
});

describe("a hint that the network or the page is back", () => {
  test("makes a waiting client dial at once", () => {
    const drive = new Drive();
    drive.take({ type: "ended", isFinal: false, random: 0 });
    drive.takeActs();
    drive.take({ type: "hint" });
    expect([drive.machine.state, drive.takeActs(), drive.phaseMs]).toEqual(["connecting", [["dial", 0]], 30_000]);
    drive.take({ type: "hint" });
    expect(drive.takeActs()).toEqual([]);
  });

  test("makes an open client ask once, until anything comes", () => {
    const drive = Drive.open();
    for (let i = 0; i < 3; i++) drive.take({ type: "hint" });
    expect(drive.takeActs()).toEqual([["ask", 0]]);
    drive.hear();
    drive.take({ type: "hint" });
    expect(drive.takeActs()).toEqual([["ask", 0]]);
  });
});
