/**
 * Faulty builds of sessions, on either end: `explore` finds each fault by a session that talks while its sockets are lost, and the seed
 * plays the failure again. The sound build passes the same scenario in `sessions.test.ts`.
 */
import { ExploreFailure, type ExploreOptions, explore, type Fault, type Scenario } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Session } from "../../src/actors/session/session.js";
import { HandClock } from "../../src/testing/runtime/clock.js";
import { KeptFrames } from "../../src/transport/kept-frames.js";
import { SessionSocket } from "../../src/transport/session-socket.js";
import { talk } from "./session-talk.js";

const RUNS = 1_000;
const SOUND_RUNS = 100;
const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish"];
const MAX_STEPS = 100_000;
/** The bounds of what is kept for a client that is away, and of what a client has yet to take otherwise. */
const MISSED_BYTES = 8_388_608;
const LIVE_BYTES = 150_000;

/** The fault of the client that is in the build; at most one. */
const planted = vi.hoisted(() => ({ fault: "" }));

// The client is made of closures: its faults are put in where its parts are made.
vi.mock("../../src/client/session.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/client/session.js")>();
  const createSession: typeof original.createSession = (...args) => {
    const session = original.createSession(...args);
    /** How many messages the client has got in its life, and in the present session. */
    let ever = 0;
    let received = 0;
    return {
      ...session,
      offer() {
        const offer = session.offer();
        if (planted.fault !== "another life") return offer;
        return offer.map((name) => name.replace(/^(sendall\.1\.[\w-]+)\.\d+/, `$1.${ever}`));
      },
      begin(welcome) {
        const isCountedOn = planted.fault === "counts on" && welcome.resumed;
        const begins = session.begin(isCountedOn ? { ...welcome, from: received } : welcome);
        if (begins && !isCountedOn) received = welcome.from ?? 0;
        return begins;
      },
      count(data) {
        ever++;
        received++;
        return session.count(data);
      },
    };
  };
  return { ...original, createSession };
});
vi.mock("../../src/client/callbacks.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/client/callbacks.js")>();
  const createCallbacks: typeof original.createCallbacks = (...args) => {
    const callbacks = original.createCallbacks(...args);
    /** What has come over the present socket, and waits for a timer. */
    let late: (() => void)[] = [];
    const emit: typeof callbacks.emit = (type, argument) => {
      if (planted.fault === "ahead" && type === "close") late = [];
      if (planted.fault !== "ahead" || type !== "message") {
        callbacks.emit(type, argument);
        return;
      }
      const tell = (): void => callbacks.emit(type, argument);
      late.push(tell);
      clock?.soon(() => {
        if (late.includes(tell)) tell();
        late = late.filter((other) => other !== tell);
      });
    };
    return { ...callbacks, emit };
  };
  return { ...original, createCallbacks };
});
let clock: HandClock | undefined;

afterEach(() => {
  planted.fault = "";
  clock = undefined;
  vi.restoreAllMocks();
});

/** A scenario, and how to put the fault that it is after into the build. */
interface Case {
  readonly scenario?: Scenario;
  readonly faults?: readonly Fault[];
  readonly spoil: () => void;
}

const short = talk({ policy: "close", maxSteps: 12 });

const cases: Readonly<Record<string, Case>> = {
  "a replay that does not trim": {
    /** What the client's offer says that it has is written once more. */
    spoil() {
      const acknowledged = new WeakMap<KeptFrames, number>();
      const { acknowledge, resume } = KeptFrames.prototype;
      vi.spyOn(KeptFrames.prototype, "acknowledge").mockImplementation(function (this: KeptFrames, number) {
        const isPossible = acknowledge.call(this, number);
        if (isPossible) acknowledged.set(this, number);
        return isPossible;
      });
      vi.spyOn(KeptFrames.prototype, "resume").mockImplementation(function (this: KeptFrames, count) {
        const catchup = resume.call(this, { ...count, received: acknowledged.get(this) ?? 0 });
        return { ...catchup, from: Math.max(catchup.from, count.received) };
      });
    },
  },

  "a count of another life that is trusted": {
    spoil() {
      planted.fault = "another life";
      vi.spyOn(KeptFrames.prototype, "isPossible").mockReturnValue(true);
    },
  },

  "two sockets of one session alive at once": {
    /** The older socket is not dismissed. */
    spoil() {
      vi.spyOn(SessionSocket.prototype, "dismiss").mockImplementation(() => {});
    },
  },

  "a lost welcome": {
    /** The server takes for granted that the client has read the last welcome. */
    spoil() {
      const told = new WeakMap<KeptFrames, number>();
      const { resume } = KeptFrames.prototype;
      vi.spyOn(KeptFrames.prototype, "resume").mockImplementation(function (this: KeptFrames, count) {
        const before = told.get(this) ?? 0;
        const catchup = resume.call(this, { ...count, lost: before });
        told.set(this, before + catchup.lost);
        return catchup;
      });
    },
  },

  "an unpaced replay": {
    /** Ten long messages are missed, and short ones follow at once: no reader is too slow for that, not even one that stops for a while. */
    async scenario({ runtime }) {
      const reconnect = { minMs: 5_000, jitter: 0 };
      const chat = runtime({
        resume: { maxBytes: MISSED_BYTES },
        outbox: { maxBufferedBytes: LIVE_BYTES, slowConsumer: "close" },
        handler: (event, bus) => event.type === "back" && bus.unicast("welcome back", event.connection),
      });
      const reasons: string[] = [];
      const client = chat.dial("/", { name: "ann", reconnect, onClose: ({ reason }) => reasons.push(reason) });
      await chat.settle();
      client.disconnect();
      await chat.advance(1_000);
      if (chat.server.stats().away === 0) return;
      for (let i = 0; i < 10; i++) chat.server.sendall(`${i}`.padEnd(40_000));
      await chat.advance(60_000);
      expect(reasons).not.toContain("slow consumer");
    },
    faults: ["stall"],
    /** Everything is written at once, and judged like what is live. */
    spoil() {
      vi.spyOn(SessionSocket.prototype, "mustWait").mockReturnValue(false);
      vi.spyOn(Session.prototype, "maxBytes", "get").mockImplementation(function (this: Session) {
        return this.connection.isAway ? MISSED_BYTES : LIVE_BYTES;
      });
    },
  },

  "an acknowledgement that runs ahead of the callback": {
    spoil() {
      planted.fault = "ahead";
      const { after } = HandClock.prototype;
      vi.spyOn(HandClock.prototype, "after").mockImplementation(function (this: HandClock, ...args) {
        clock = this;
        return after.apply(this, args);
      });
    },
  },

  "a client that counts on after a gap": {
    spoil() {
      planted.fault = "counts on";
    },
  },
};

async function failureOf(scenario: Scenario, options: ExploreOptions): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, { faults: FAULTS, maxSteps: MAX_STEPS, ...options }).then(
    () => new Error("it passes"),
    (failure) => failure,
  );
  if (error instanceof ExploreFailure) return error;
  throw error;
}

describe.each(Object.entries(cases))("%s", (_name, { scenario = short, faults = FAULTS, spoil }) => {
  test("is found, and the seed that is told plays it again", async () => {
    spoil();
    const { seed, trace, message, divergence } = await failureOf(scenario, { runs: RUNS, faults });
    expect(divergence).toBe(undefined);
    const again = await failureOf(scenario, { runs: 1, seed, faults });
    expect([again.seed, again.trace, again.message]).toEqual([seed, trace, message]);
    expect(message).toContain(`seed: ${seed}`);
  }, 1_000_000);
});

test(`the sound build of sessions has none of these faults (${SOUND_RUNS} runs of each scenario)`, async () => {
  const scenarios = new Map([[short, FAULTS]]);
  for (const { scenario, faults = FAULTS } of Object.values(cases))
    if (scenario !== undefined) scenarios.set(scenario, faults);
  for (const [scenario, faults] of scenarios)
    await explore(scenario, { runs: SOUND_RUNS, faults, maxSteps: MAX_STEPS });
}, 3_000_000);
