/** The gate and peers that come back to a session: who is asked, who needs a place, and who ends for whom. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { AcceptedUpgrade } from "../../../src/admission/accepted-upgrade.js";
import type { Place } from "../../../src/admission/connection-limits.js";
import { Gate, type GateSettings } from "../../../src/admission/gate.js";
import type { GatedRoute } from "../../../src/admission/gated-route.js";
import { joinHeaders, ParsedHead } from "../../../src/admission/request-head.js";
import type { MovedSession, SessionDesk } from "../../../src/admission/session-desk.js";
import { type ResumeOffer, readSessionOffer } from "../../../src/admission/session-offer.js";
import type { UpgradeAttempt } from "../../../src/admission/upgrade-attempt.js";
import type { Authorize } from "../../../src/api/authorize.js";
import type { CloseReason } from "../../../src/api/close-codes.js";
import type { Connection } from "../../../src/api/connection.js";
import type { AccessEntry, ResumeOptions } from "../../../src/api/options.js";
import { reject } from "../../../src/api/rejection.js";
import { Diagnostics } from "../../../src/runtime/diagnostics.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission, TransportListener } from "../../../src/transport/transport.js";
import { HandTransport, Lines } from "../stage.js";

type Verify = ResumeOptions["verify"];

const TOKENS = { a: "AAAAAAAAAAAAAAAAAAAAAA", b: "-_BBBBBBBBBBBBBBBBBBBB", c: "CCCCCCCCCCCCCCCCCCCCCC" };
const FULL = { status: 503, body: "the server is full" };

interface HeldSession {
  readonly token: string;
  readonly address: string;
  readonly place: Place;
  awaySince: number | undefined;
  dial: number;
}

/** A route that keeps sessions, without connections. */
class Desk implements SessionDesk {
  readonly sessions = new Map<string, HeldSession>();
  readonly farewells = new Set<string>();
  readonly endings: string[] = [];
  readonly clock: HandClock;

  constructor(clock: HandClock) {
    this.clock = clock;
  }

  find({ token, dial }: ResumeOffer, decodedPath: string, protocol: string) {
    const session = this.sessions.get(token);
    if (session === undefined || dial <= session.dial || decodedPath !== "/chat" || protocol !== "") return undefined;
    const end = ({ code, reason }: CloseReason): void => this.end(session, `${code} ${reason}`);
    return { connection: { id: token } as unknown as Connection, end };
  }

  isFarewell({ token, dial }: ResumeOffer): boolean {
    return this.farewells.has(token) || dial <= (this.sessions.get(token)?.dial ?? 0);
  }

  oldestAway(remoteAddress?: string) {
    const [oldest] = [...this.sessions.values()]
      .filter(({ awaySince, address }) => awaySince !== undefined && (remoteAddress ?? address) === address)
      .sort((a, b) => (a.awaySince ?? 0) - (b.awaySince ?? 0));
    return oldest && { awaySince: oldest.awaySince ?? 0, makeRoom: () => this.end(oldest, "too many away") };
  }

  moved(): void {}

  begin(token: string, accepted: AcceptedUpgrade): void {
    const place = accepted.takePlace();
    this.sessions.set(token, { token, place, address: accepted.head.remoteAddress, awaySince: undefined, dial: 0 });
  }

  lose(token: string): void {
    const session = this.sessions.get(token);
    if (session === undefined) throw new Error("there is no session");
    session.awaySince = this.clock.now();
    session.place.onAway();
  }

  end(session: HeldSession, why: string): void {
    this.sessions.delete(session.token);
    this.endings.push(`${nameOf(session.token)}: ${why}`);
    session.place.release();
  }
}

function nameOf(token: string): string {
  return Object.entries(TOKENS).find(([, one]) => one === token)?.[0] ?? token;
}

/** @param offer the part of the name after `sendall.1.`; absent: a newcomer */
function attemptOf(offer: string | undefined, remoteAddress = "1.1.1.1", { signal } = new AbortController()) {
  return attemptWith(offer === undefined ? "sendall.1" : `sendall.1, sendall.1.${offer}`, remoteAddress, signal);
}

function attemptWith(header: string, remoteAddress: string, signal: AbortSignal): UpgradeAttempt {
  const raw = ["Host", "example.com", "Sec-WebSocket-Protocol", header];
  const sessionOffer = readSessionOffer(raw);
  const headers = joinHeaders(sessionOffer?.rawHeaders ?? raw);
  const address = { remoteAddress, remotePort: 1, localAddress: "", secure: false };
  const head = { url: "/chat", headers, version: 13, ...address };
  return { at: 0, head, headers: new ParsedHead(head).headers, sessionOffer, raw: undefined, signal };
}

interface Setting {
  readonly authorize?: Authorize<unknown>;
  readonly verify?: Verify;
  readonly limits?: Partial<GateSettings>;
  readonly hasSessions?: boolean;
}

function stage({ authorize, verify, limits, hasSessions = true }: Setting = {}) {
  const clock = new HandClock();
  const log = new Lines("debug");
  const desk = new Desk(clock);
  const entries: AccessEntry[] = [];
  const accepted: AcceptedUpgrade[] = [];
  const told: MovedSession[] = [];
  const state = { hasEnded: false };
  let fresh = "a";
  const route: GatedRoute = {
    path: "/chat",
    counters: { countRefused: () => {} },
    get hasEnded() {
      return state.hasEnded;
    },
    settings: {
      authorize,
      origins: "same",
      protocols: [],
      handshakeTimeoutMs: 500,
      maxPayloadBytes: 7,
      maxFragments: 8,
      mailbox: { maxBytes: 100_000 },
      compression: false,
      resume: hasSessions && { verify },
    },
    sessions: hasSessions ? desk : undefined,
    accept(_transport, upgrade) {
      accepted.push(upgrade);
      const { session, decodedPath, protocol, mayBeFresh } = upgrade;
      const offer = session?.resume;
      const found = offer && desk.find(offer, decodedPath, protocol);
      if (found !== undefined) return { id: "resumed" } as unknown as TransportListener;
      if (!mayBeFresh || (offer && desk.isFarewell(offer))) return { id: "" } as unknown as TransportListener;
      desk.begin(Reflect.get(TOKENS, fresh), upgrade);
      return { id: `fresh ${fresh}` } as unknown as TransportListener;
    },
  };
  const settings: GateSettings = {
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    upgradesPerSecond: 0,
    whenFull: "reject",
    backlog: 10,
    handshakeTimeoutMs: 1_000,
    trustProxy: false,
    onAccess: (entry) => void entries.push(entry),
    ...limits,
  };
  const otherNodes = {
    hasToken: (token: string) => token.startsWith("0123456789ab-"),
    tellMoved: (moved: MovedSession) => void told.push(moved),
  };
  const gate = new Gate({
    routes: [route],
    settings,
    clock,
    log,
    diagnostics: new Diagnostics("test", clock, log),
    otherNodes,
  });
  const ask = (offer?: string, address?: string, abort?: AbortController) =>
    gate.admit(attemptOf(offer, address, abort));
  /** Lets a peer in, and begins a fresh session by the name if one is due. */
  const enter = async (name: string, offer?: string, address?: string) => {
    fresh = name;
    const answer = await ask(offer, address);
    return "accept" in answer ? answer.accept(new HandTransport()).id : answer;
  };
  const take = (): string[] => desk.endings.splice(0);
  return { clock, log, desk, gate, state, entries, accepted, told, ask, enter, take };
}

const A = `${TOKENS.a}.0.0.1`;
const B = `${TOKENS.b}.0.0.1`;

async function admission(answer: ReturnType<Gate["admit"]>): Promise<Admission> {
  const decided = await answer;
  if ("status" in decided) throw new Error(`refused: ${decided.status} ${decided.body}`);
  return decided;
}

describe("a peer that comes back to a live session", () => {
  test("is let in at once where nothing decides, and the route gets the offer", async () => {
    const { enter, ask, accepted } = stage();
    await enter("a");
    expect(ask(A)).not.toBeInstanceOf(Promise);
    expect(await enter("b", A)).toBe("resumed");
    expect(accepted[1]?.session).toEqual({
      resume: { token: TOKENS.a, received: 0, lost: 0, dial: 1 },
      why: "expired",
    });
  });

  test("needs no place, neither of the server nor of the address", async () => {
    for (const limits of [{ maxConnections: 1 }, { maxConnectionsPerAddress: 1 }]) {
      const { enter, take } = stage({ limits, authorize: () => ({}) });
      await enter("a");
      expect(await enter("b")).toEqual(FULL);
      expect(await enter("b", A)).toBe("resumed");
      expect(await enter("b", A)).toBe("resumed");
      expect(take()).toEqual([]);
    }
  });

  test("gives no place back that a newcomer could take", async () => {
    const { enter, ask, desk } = stage({ limits: { maxConnections: 1 } });
    await enter("a");
    (await admission(ask(A))).cancel();
    await enter("b", A);
    expect(await enter("b")).toEqual(FULL);
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) desk.end(session, "bye");
    expect(await enter("b")).toBe("fresh b");
  });

  test("is authorized again, and what authorize returns is of no use", async () => {
    let calls = 0;
    const { enter } = stage({ authorize: () => ({ calls: ++calls }) });
    await enter("a");
    expect(await enter("b", A)).toBe("resumed");
    expect(calls).toBe(2);
  });

  test("ends the session if authorize refuses, returned or thrown, at once or later, and gets the refusal", async () => {
    const refusals: Authorize<unknown>[] = [
      () => reject(401, "who?"),
      async () => reject(401, "who?"),
      () => {
        throw reject(401, "who?");
      },
    ];
    for (const refuse of refusals) {
      let isOpen = true;
      const { enter, take, desk } = stage({ authorize: (request) => (isOpen ? {} : refuse(request)) });
      await enter("a");
      isOpen = false;
      desk.lose(TOKENS.a);
      expect(await enter("b", A)).toMatchObject({ status: 401, body: "who?" });
      expect(take()).toEqual(["a: 1008 refused"]);
    }
  });

  test.each<[how: string, authorize: () => unknown, status: number]>([
    [
      "throws",
      () => {
        throw new Error("no");
      },
      500,
    ],
    ["rejects", () => Promise.reject(new Error("no")), 500],
    ["never answers", () => new Promise(() => {}), 503],
  ])("finds the session again after an authorize that %s", async (_how, authorize, status) => {
    let isBroken = false;
    const { enter, ask, take, clock } = stage({ authorize: () => (isBroken ? authorize() : {}) });
    await enter("a");
    isBroken = true;
    const answer = ask(A);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    clock.pass(500);
    expect(await answer).toMatchObject({ status });
    expect(take()).toEqual([]);
    isBroken = false;
    expect(await enter("b", A)).toBe("resumed");
    expect(clock.alarms).toBe(0);
  });

  test("leaves the session as it is when the peer leaves, or the server closes, before the decision", async () => {
    let letIn: unknown = {};
    const { enter, ask, take, gate } = stage({ authorize: () => letIn });
    await enter("a");
    letIn = new Promise(() => {});
    const abort = new AbortController();
    const [left, closed] = [ask(A, undefined, abort), ask(A)];
    abort.abort();
    gate.close();
    expect(await left).toMatchObject({ status: 499 });
    expect(await closed).toMatchObject({ status: 503, body: "the server is closing" });
    expect(take()).toEqual([]);
  });

  test("ends nothing by a refusal that comes after a later dial was taken", async () => {
    let refuse = (): void => {};
    let isFirst = true;
    const { enter, ask, take, desk } = stage({
      authorize: () => {
        if (isFirst) return {};
        return new Promise((resolve) => {
          refuse = () => resolve(reject(401));
        });
      },
    });
    await enter("a");
    isFirst = false;
    const late = ask(A);
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) session.dial = 2;
    refuse();
    expect(await late).toMatchObject({ status: 401 });
    expect(take()).toEqual([]);
  });

  test("that offers no session beside the token is a plain peer, and a newcomer", async () => {
    const { enter, gate, accepted, take } = stage({ limits: { maxConnections: 2 } });
    await enter("a");
    const answer = gate.admit(attemptWith(`sendall.1.${A}`, "1.1.1.1", AbortSignal.abort()));
    const later = await admission(answer);
    later.accept(new HandTransport());
    expect([later.protocol, accepted[1]?.session]).toEqual(["", undefined]);
    expect(await enter("c")).toEqual(FULL);
    expect(take()).toEqual([]);
  });
});

describe("resume.verify", () => {
  test("sees the request and the kept connection, in place of authorize", async () => {
    const seen: unknown[] = [];
    let asked = 0;
    const { enter } = stage({
      authorize: () => ({ asked: ++asked }),
      verify: (request, connection) => {
        seen.push(request.path, request.protocols, connection.id);
        return true;
      },
    });
    await enter("a");
    expect(await enter("b", A)).toBe("resumed");
    expect([asked, seen]).toEqual([1, ["/chat", [], TOKENS.a]]);
  });

  test("that says false leaves the session, and authorize lets the peer in as a newcomer", async () => {
    let asked = 0;
    const { enter, accepted, take, desk } = stage({
      authorize: () => ({ asked: ++asked }),
      verify: async () => false,
      limits: { maxConnections: 2 },
    });
    await enter("a");
    expect(await enter("b", A)).toBe("fresh b");
    expect(accepted[1]).toMatchObject({ data: { asked: 2 }, session: { why: "refused" } });
    expect(accepted[1]?.session?.resume).toBeUndefined();
    expect(await enter("c", A)).toEqual(FULL);
    expect([take(), desk.sessions.has(TOKENS.a)]).toEqual([[], true]);
  });

  test.each<[how: string, verify: () => unknown, answer: object, line: string | undefined]>([
    [
      "throws",
      () => {
        throw new Error("no");
      },
      { status: 500, body: "resume.verify failed" },
      "resume.verify failed",
    ],
    ["rejects", () => Promise.reject(new Error("no")), { status: 500 }, "resume.verify failed"],
    ["returns nothing", () => undefined, { status: 500 }, "resume.verify failed"],
    ["returns a word", () => "yes", { status: 500 }, "resume.verify failed"],
    ["never answers", () => new Promise(() => {}), { status: 503, body: "resume.verify took too long" }, undefined],
    ["returns reject", () => reject(403, "not you"), { status: 403, body: "not you" }, undefined],
    [
      "throws reject",
      () => {
        throw reject(403, "not you");
      },
      { status: 403, body: "not you" },
      undefined,
    ],
  ])("that %s refuses the peer and leaves the session", async (_how, verify, refusal, line) => {
    const { enter, ask, take, clock, log, desk } = stage({ verify: verify as Verify });
    await enter("a");
    const answer = ask(A);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    clock.pass(500);
    expect(await answer).toMatchObject(refusal);
    expect([take(), desk.sessions.has(TOKENS.a), clock.alarms]).toEqual([[], true, 0]);
    expect(log.at("error").map(([text]) => text)).toEqual(line === undefined ? [] : [line]);
  });

  test("that returns no boolean is told what is expected", async () => {
    const { enter, log } = stage({ verify: (() => 1) as unknown as Verify });
    await enter("a");
    await enter("b", A);
    const [[, details] = []] = log.at("error");
    expect(String(Reflect.get(details ?? {}, "err"))).toContain("resume.verify: expected true or false, got 1");
  });

  test("is not waited for when the server closes, and comes too late when the route has ended", async () => {
    let asked = 0;
    let answer = (_verdict: boolean): void => {};
    const { enter, ask, gate, state, desk } = stage({
      authorize: () => ({ asked: ++asked }),
      verify: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    await enter("a");
    for (const verdict of [true, false]) {
      const late = ask(A);
      await Promise.resolve();
      state.hasEnded = true;
      answer(verdict);
      expect(await late).toEqual({ status: 503, body: "this route is closed" });
      state.hasEnded = false;
    }
    const pending = ask(A);
    expect(gate.undecided).toBe(1);
    gate.close();
    expect(await pending).toEqual({ status: 503, body: "the server is closing" });
    expect([asked, gate.undecided, desk.sessions.has(TOKENS.a)]).toEqual([1, 0, true]);
  });

  test("is not asked about a token that names no live session", async () => {
    let asked = 0;
    const { enter } = stage({ verify: () => ++asked > 0 });
    expect(await enter("b", A)).toBe("fresh b");
    expect(asked).toBe(0);
  });

  test("lets nobody in as a newcomer: where the session has ended meanwhile authorize is asked", async () => {
    for (const doesLetIn of [true, false]) {
      const { enter, desk, accepted } = stage({
        authorize: () => (doesLetIn || accepted.length === 0 ? {} : reject(401)),
        verify: () => {
          const session = desk.sessions.get(TOKENS.a);
          if (session !== undefined) desk.end(session, "meanwhile");
          return true;
        },
      });
      await enter("a");
      expect(await enter("b", A)).toEqual(doesLetIn ? "fresh b" : expect.objectContaining({ status: 401 }));
    }
  });

  test("lets nobody in as a newcomer either where the session ends before the transport is accepted", async () => {
    const { enter, ask, desk, accepted } = stage({ authorize: () => ({}), verify: () => true });
    await enter("a");
    const later = await admission(ask(A));
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) desk.end(session, "meanwhile");
    expect(later.accept(new HandTransport()).id).toBe("");
    expect([accepted[0]?.mayBeFresh, accepted[1]?.mayBeFresh]).toEqual([true, false]);
  });
});

describe("a session that has ended while its peer was asked about", () => {
  /** A peer that is authorized again, and the end of its session meanwhile. */
  async function meanwhile(limits: Partial<GateSettings>) {
    let letIn: unknown = {};
    const made = stage({ authorize: () => letIn, limits });
    await made.enter("a");
    const doors: ((data: unknown) => void)[] = [];
    letIn = new Promise((resolve) => doors.push(resolve));
    const answer = made.ask(A);
    const session = made.desk.sessions.get(TOKENS.a);
    if (session !== undefined) made.desk.end(session, "meanwhile");
    letIn = {};
    return { ...made, answer, letIn: () => doors[0]?.({ name: "ann" }) };
  }

  test("leaves a newcomer, who gets a place and the data of authorize", async () => {
    const { answer, letIn, accepted, enter } = await meanwhile({ maxConnections: 1 });
    letIn();
    (await admission(answer)).accept(new HandTransport());
    expect(accepted[1]).toMatchObject({ data: { name: "ann" }, mayBeFresh: true, session: { why: "expired" } });
    expect(await enter("b")).toEqual(FULL);
  });

  test("leaves a newcomer, who is refused where no place is left", async () => {
    const { answer, letIn, enter } = await meanwhile({ maxConnections: 1 });
    expect(await enter("b")).toBe("fresh b");
    letIn();
    expect(await answer).toEqual(FULL);
  });

  test("leaves a newcomer, who waits for a place where that is the option", async () => {
    const { answer, letIn, enter, desk, clock } = await meanwhile({ maxConnections: 1, whenFull: "wait" });
    await enter("b");
    letIn();
    for (let i = 0; i < 9; i++) await Promise.resolve();
    const session = desk.sessions.get(TOKENS.b);
    if (session !== undefined) desk.end(session, "bye");
    await admission(answer);
    expect(clock.alarms).toBe(0);
  });

  test("is counted above the limit if it ends only before the transport is accepted", async () => {
    const { enter, ask, desk } = stage({ limits: { maxConnections: 1 } });
    await enter("a");
    const later = await admission(ask(A));
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) desk.end(session, "meanwhile");
    expect(await enter("b")).toBe("fresh b");
    expect(later.accept(new HandTransport()).id).toBe("fresh b");
    const second = desk.sessions.get(TOKENS.b);
    if (second !== undefined) desk.end(second, "bye");
    expect(await enter("c")).toEqual(FULL);
  });
});

describe("an answer by a close frame alone", () => {
  test("needs no place, comes after authorize, and is reported without a connection", async () => {
    let asked = 0;
    const { enter, desk, entries, take } = stage({
      limits: { maxConnections: 1 },
      authorize: () => ({ asked: ++asked }),
      verify: () => {
        throw new Error("there is nothing to verify");
      },
    });
    await enter("a");
    desk.farewells.add(TOKENS.b);
    expect(await enter("b", B)).toBe("");
    expect([asked, take()]).toEqual([2, []]);
    expect(entries[1]).toEqual({
      type: "upgrade",
      at: 0,
      durationMs: expect.any(Number),
      method: "GET",
      path: "/chat",
      status: 101,
      remoteAddress: "1.1.1.1",
    });
  });

  test("leaves the place free that the peer had as a newcomer", async () => {
    const { enter, ask, desk } = stage({ limits: { maxConnections: 1 } });
    const later = await admission(ask(B));
    expect(await enter("a")).toEqual(FULL);
    desk.farewells.add(TOKENS.b);
    expect(later.accept(new HandTransport()).id).toBe("");
    expect(await enter("a")).toBe("fresh a");
  });

  test("is also that to a late dial", async () => {
    const { enter, desk } = stage({ authorize: () => ({}), verify: () => true });
    await enter("a");
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) session.dial = 1;
    expect(await enter("b", A)).toBe("");
  });
});

describe("a newcomer at a full server", () => {
  test("gets the place of the connection that is away longest", async () => {
    const { enter, desk, take, clock } = stage({ limits: { maxConnections: 2 } });
    await enter("a");
    await enter("b");
    expect(await enter("c")).toEqual(FULL);
    desk.lose(TOKENS.b);
    clock.pass(1);
    desk.lose(TOKENS.a);
    expect(await enter("c")).toBe("fresh c");
    expect(take()).toEqual(["b: too many away"]);
    expect(await enter("b")).toBe("fresh b");
    expect(take()).toEqual(["a: too many away"]);
    expect(await enter("a")).toEqual(FULL);
  });

  test("gets the place of a connection of its own address where that is at its limit", async () => {
    const { enter, desk, take, clock } = stage({ limits: { maxConnectionsPerAddress: 1 } });
    await enter("a", undefined, "other");
    await enter("b", undefined, "own");
    desk.lose(TOKENS.a);
    expect(await enter("c", undefined, "own")).toEqual(FULL);
    clock.pass(1);
    desk.lose(TOKENS.b);
    expect(await enter("c", undefined, "own")).toBe("fresh c");
    expect(take()).toEqual(["b: too many away"]);
  });

  test("ends nothing unless authorize lets it in", async () => {
    let answer: unknown = {};
    const { enter, desk, take } = stage({ limits: { maxConnections: 1 }, authorize: () => answer });
    await enter("a");
    desk.lose(TOKENS.a);
    answer = reject(401);
    expect(await enter("b")).toMatchObject({ status: 401 });
    expect(take()).toEqual([]);
    answer = {};
    expect(await enter("b")).toBe("fresh b");
    expect(take()).toEqual(["a: too many away"]);
  });

  test("is refused where the one away comes back while authorize decides", async () => {
    let answer: unknown = {};
    const { enter, ask, desk, take } = stage({ limits: { maxConnections: 1 }, authorize: () => answer });
    await enter("a");
    desk.lose(TOKENS.a);
    let letIn = (_data: unknown): void => {};
    answer = new Promise((resolve) => {
      letIn = resolve;
    });
    const newcomer = ask();
    const session = desk.sessions.get(TOKENS.a);
    if (session !== undefined) session.awaySince = undefined;
    letIn({});
    expect([await newcomer, take()]).toEqual([FULL, []]);
  });

  test("is one of at most as many as may wait, however few are away", async () => {
    let answer: unknown = {};
    const { enter, ask, desk } = stage({ limits: { maxConnections: 1, backlog: 2 }, authorize: () => answer });
    await enter("a");
    desk.lose(TOKENS.a);
    const doors: ((data: unknown) => void)[] = [];
    answer = new Promise((resolve) => doors.push(resolve));
    const [first, second, third] = [ask(), ask(), ask()];
    expect(await third).toEqual(FULL);
    doors[0]?.(reject(401));
    expect([await first, await second]).toMatchObject([{ status: 401 }, { status: 401 }]);
    answer = {};
    await admission(ask());
  });

  test("that waits gets the place of the next connection that goes away", async () => {
    const { enter, ask, desk, take, clock } = stage({ limits: { maxConnections: 1, whenFull: "wait" } });
    await enter("a");
    const [first, second] = [ask(), ask()];
    desk.lose(TOKENS.a);
    await admission(first);
    expect(take()).toEqual(["a: too many away"]);
    clock.pass(1_000);
    expect(await second).toEqual(FULL);
    expect(clock.alarms).toBe(0);
  });

  test("that waits ends nothing unless authorize lets it in", async () => {
    let answer: unknown = {};
    const { enter, ask, desk, take } = stage({
      limits: { maxConnections: 1, whenFull: "wait" },
      authorize: () => answer,
    });
    await enter("a");
    answer = reject(401);
    const waiting = ask();
    desk.lose(TOKENS.a);
    expect(await waiting).toMatchObject({ status: 401 });
    expect(take()).toEqual([]);
    expect(await enter("b", A)).toMatchObject({ status: 401 });
    expect(take()).toEqual(["a: 1008 refused"]);
  });
});

describe("a token of another node", () => {
  const offer = `0123456789ab-${A}`;

  test("leaves a fresh session elsewhere, and the other node is told once the peer is let in", async () => {
    let answer: unknown = reject(401);
    const { enter, ask, accepted, told } = stage({ authorize: () => answer, verify: () => true });
    expect(await enter("a", offer)).toMatchObject({ status: 401 });
    answer = {};
    const later = await admission(ask(offer));
    expect(told).toEqual([]);
    later.accept(new HandTransport());
    expect(accepted[0]?.session).toEqual({ resume: undefined, why: "elsewhere" });
    expect(told).toEqual([
      {
        route: "/chat",
        decodedPath: "/chat",
        protocol: "",
        offer: { token: `0123456789ab-${TOKENS.a}`, received: 0, lost: 0, dial: 1 },
      },
    ]);
  });

  test("is of no interest to a route without sessions", async () => {
    const { enter, accepted, told } = stage({ hasSessions: false });
    expect(await enter("a", offer)).toBe("fresh a");
    expect([accepted[0]?.session?.why, told]).toEqual(["expired", []]);
  });

  test("needs a place like any newcomer", async () => {
    const { enter } = stage({ limits: { maxConnections: 1 } });
    await enter("a");
    expect(await enter("b", offer)).toEqual(FULL);
  });
});

test("a malformed offer leaves a fresh session that is too late", async () => {
  const { enter, accepted } = stage();
  await enter("a");
  expect(await enter("b", `${TOKENS.a}.0.0`)).toBe("fresh b");
  expect(accepted[1]?.session).toEqual({ resume: undefined, why: "expired" });
});

test("the token stands in no line of the log, no access entry and no request", async () => {
  const seen: unknown[] = [];
  const { enter, desk, log, entries, accepted, take, gate } = stage({
    authorize: (request) => {
      seen.push({ ...request }, String(request.query));
      return entries.length < 5 ? {} : reject(401);
    },
    verify: (request) => {
      seen.push({ ...request }, String(request.query));
      throw new Error("no");
    },
  });
  await enter("a");
  for (const offer of [B, `${TOKENS.a}.x`, `0123456789ab-${B}`, A]) await enter("b", offer);
  desk.lose(TOKENS.a);
  gate.refused(attemptOf(A), { status: 401, body: "no" });
  expect(take()).toEqual([]);
  const heads = accepted.map((upgrade) => [upgrade.head, upgrade.protocol, upgrade.data]);
  const shown = inspect([seen, heads, log.lines, entries], { depth: 9, maxStringLength: null, maxArrayLength: null });
  expect(shown).toContain("resume.verify failed");
  for (const token of [TOKENS.a, TOKENS.b]) expect(shown).not.toContain(token);
});
