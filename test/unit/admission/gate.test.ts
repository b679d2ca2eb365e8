/** The gate, without a network: in which order it decides, and that a place comes back whatever happens. */
import { describe, expect, test } from "vitest";
import type { AcceptedUpgrade } from "../../../src/admission/accepted-upgrade.js";
import { Gate } from "../../../src/admission/gate.js";
import type { GatedRoute } from "../../../src/admission/gated-route.js";
import { joinHeaders, ParsedHead } from "../../../src/admission/request-head.js";
import { readSessionOffer } from "../../../src/admission/session-offer.js";
import type { UpgradeAttempt } from "../../../src/admission/upgrade-attempt.js";
import type { Authorize } from "../../../src/api/authorize.js";
import type { AccessEntry } from "../../../src/api/options.js";
import { reject } from "../../../src/api/rejection.js";
import { createLogger } from "../../../src/log/log.js";
import { Diagnostics } from "../../../src/runtime/diagnostics.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission, Transport, TransportListener } from "../../../src/transport/transport.js";
import { HandTransport } from "../stage.js";

interface Setting {
  readonly authorize?: Authorize<unknown>;
  readonly whenFull?: "reject" | "wait";
}

/** A server with one place and one route. */
function stage({ authorize, whenFull = "reject" }: Setting = {}) {
  const clock = new HandClock();
  const state = { hasEnded: false };
  const refused: number[] = [];
  const accessEntries: AccessEntry[] = [];
  const transports: Transport[] = [];
  const accepted: AcceptedUpgrade[] = [];
  const route: GatedRoute = {
    path: "/chat",
    counters: { countRefused: (status) => void refused.push(status) },
    get hasEnded() {
      return state.hasEnded;
    },
    settings: {
      authorize,
      origins: "same",
      protocols: ["v2", "v1"],
      handshakeTimeoutMs: 500,
      maxPayloadBytes: 7,
      maxFragments: 8,
      mailbox: { maxBytes: 100_000 },
      compression: false,
      resume: false,
    },
    sessions: undefined,
    accept(transport, upgrade) {
      transports.push(transport);
      accepted.push(upgrade);
      return { id: "c1" } as TransportListener;
    },
  };
  const gate = new Gate({
    routes: [route],
    settings: {
      maxConnections: 1,
      maxConnectionsPerAddress: 0,
      upgradesPerSecond: 0,
      whenFull,
      backlog: 10,
      handshakeTimeoutMs: 1_000,
      trustProxy: false,
      onAccess: (entry) => void accessEntries.push(entry),
    },
    clock,
    log: createLogger(false, "test"),
    diagnostics: new Diagnostics("test", clock, createLogger(false, "test")),
  });
  const ask = (headers: Record<string, string> = {}, url = "/chat", abort = new AbortController()) => {
    const head = {
      url,
      headers: joinHeaders(Object.entries({ host: "example.com", ...headers }).flat()),
      version: 13,
      remoteAddress: "1.2.3.4",
      remotePort: 1,
      localAddress: "",
      secure: false,
    };
    const attempt: UpgradeAttempt = {
      at: 0,
      head,
      headers: new ParsedHead(head).headers,
      sessionOffer: readSessionOffer(head.headers.split("\n")),
      raw: undefined,
      signal: abort.signal,
    };
    return { answer: gate.admit(attempt), leave: () => abort.abort(), attempt };
  };
  return { clock, state, gate, route, refused, accessEntries, transports, accepted, ask };
}

const full = { status: 503, body: "the server is full" };
const closing = { status: 503, body: "the server is closing" };

async function admission(answer: ReturnType<Gate["admit"]>): Promise<Admission> {
  const decided = await answer;
  if ("status" in decided) throw new Error(`refused: ${decided.status} ${decided.body}`);
  return decided;
}

describe("the gate", () => {
  test("answers at once where nothing has to be waited for", async () => {
    const { ask } = stage();
    const { answer } = ask({ "sec-websocket-protocol": "v1, v2" });
    expect(answer).toMatchObject({ maxPayloadBytes: 7, maxFragments: 8, maxPausedBytes: 400_000, protocol: "v2" });
    expect(ask().answer).toEqual(full);
  });

  test("hands the transport to the route as it is, and says whether the peer has a session", async () => {
    const { ask, transports, accepted } = stage();
    const plain = await admission(ask().answer);
    const socket = new HandTransport();
    expect(plain.accept(socket)).toEqual({ id: "c1" });
    const session = await admission(ask({ "sec-websocket-protocol": "v1+sendall.1, v1" }).answer);
    session.accept(socket);
    expect([plain.protocol, session.protocol]).toEqual(["", "v1+sendall.1"]);
    expect(transports).toEqual([socket, socket]);
    expect(accepted.map(({ protocol, session: one }) => [protocol, one])).toEqual([
      ["", undefined],
      ["v1", { resume: undefined, why: "new" }],
    ]);
  });

  test("names the first cause: path, server, route, origin, place, authorize", async () => {
    const { ask, state } = stage({ authorize: () => reject(401) });
    const evil = { origin: "http://evil.com" };
    const closed = stage();
    closed.gate.close();
    closed.state.hasEnded = true;
    expect(closed.ask(evil, "/x?y").answer).toEqual({ status: 404, body: "there is no route /x" });
    expect(closed.ask(evil).answer).toEqual(closing);
    state.hasEnded = true;
    expect(ask(evil).answer).toEqual({ status: 503, body: "this route is closed" });
    state.hasEnded = false;
    expect(ask(evil).answer).toMatchObject({ status: 403 });
    const first = ask().answer;
    expect(ask().answer).toEqual(full);
    expect(await first).toMatchObject({ status: 401 });
  });
});

describe("a refusal", () => {
  test("is counted for its route, or for the server if the path has no route, and reported to onAccess", () => {
    const { ask, gate, refused, accessEntries } = stage();
    const refusal = { status: 404, body: "no" };
    gate.refused(ask({}, "/chat?token=1").attempt, refusal);
    expect([refused, gate.unroutedRefusals]).toEqual([[404], []]);
    gate.refused(ask({}, "/x").attempt, refusal);
    expect([refused, gate.unroutedRefusals]).toEqual([[404], [{ status: 404, count: 1 }]]);
    const facts = { type: "upgrade", at: 0, method: "GET", status: 404, remoteAddress: "1.2.3.4", reason: "no" };
    expect(accessEntries).toEqual([
      { ...facts, path: "/chat", durationMs: expect.any(Number) },
      { ...facts, path: "/x", durationMs: expect.any(Number) },
    ]);
  });

  test("of a session of SockJS is counted, but not reported as an upgrade", () => {
    const { ask, gate, refused, accessEntries } = stage();
    gate.refused({ ...ask().attempt, sockjs: "request" }, { status: 401, body: "no" });
    expect(refused).toEqual([401]);
    expect(accessEntries).toEqual([]);
  });
});

describe("the place of whoever is not let in", () => {
  test.each<[how: string, authorize: Authorize<unknown>]>([
    ["is turned down", () => reject(401)],
    ["is turned down later", async () => reject(401)],
    [
      "meets an authorize that throws",
      () => {
        throw new Error("no");
      },
    ],
    ["meets an authorize that rejects", () => Promise.reject(new Error("no"))],
  ])("is free again: a peer that %s", async (_how, authorize) => {
    const { ask, clock } = stage({ authorize });
    for (let i = 0; i < 3; i++) expect((await ask().answer) as object).not.toEqual(full);
    expect(clock.alarms).toBe(0);
  });

  test("is free again when the peer leaves, though authorize never answers", async () => {
    const signals: AbortSignal[] = [];
    const { ask, clock } = stage({
      authorize: ({ signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    const { answer, leave } = ask();
    expect(ask().answer).toEqual(full);
    leave();
    expect(await answer).toMatchObject({ status: 499 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(clock.alarms).toBe(0);
    expect(ask().answer).toBeInstanceOf(Promise);
  });

  test("is free again when the peer has left before authorize was asked, which then is not", async () => {
    let asked = 0;
    const { ask } = stage({ authorize: () => ({ asked: ++asked }) });
    const gone = new AbortController();
    gone.abort();
    expect(await ask({}, "/chat", gone).answer).toMatchObject({ status: 499 });
    expect(asked).toBe(0);
    await admission(ask().answer);
  });

  test("is free again when the transport does not shake hands after all", async () => {
    const { ask } = stage();
    (await admission(ask().answer)).cancel();
    await admission(ask().answer);
    expect(ask().answer).toEqual(full);
  });
});

describe("an answer that comes too late", () => {
  test("changes nothing: the peer has been refused, and its signal is aborted", async () => {
    let letIn = (_data: unknown): void => {};
    const { ask, clock } = stage({
      authorize: () =>
        new Promise((resolve) => {
          letIn = resolve;
        }),
    });
    const { answer } = ask();
    clock.pass(499);
    expect(ask().answer).toEqual(full);
    clock.pass(1);
    expect(await answer).toEqual({ status: 503, body: "authorize took too long" });
    letIn({});
    await Promise.resolve();
    expect(ask().answer).toBeInstanceOf(Promise);
    expect(ask().answer).toEqual(full);
  });

  test("is refused when the server closes meanwhile", async () => {
    const { ask, gate, clock } = stage({ authorize: () => new Promise(() => {}) });
    const { answer } = ask();
    gate.close();
    expect(await answer).toEqual(closing);
    expect(clock.alarms).toBe(0);
  });

  test("is refused when the route fails meanwhile", async () => {
    const { ask, state } = stage({ authorize: async () => ({}) });
    const { answer } = ask();
    state.hasEnded = true;
    expect(await answer).toEqual({ status: 503, body: "this route is closed" });
    state.hasEnded = false;
    await admission(ask().answer);
  });
});

describe("a peer that has waited for a place", () => {
  test("is let in when a place comes back", async () => {
    const { ask } = stage({ whenFull: "wait" });
    const first = await admission(ask().answer);
    const second = ask().answer;
    first.cancel();
    await admission(second);
  });

  test("is refused if the server has begun to close, or its route has failed, and leaves the place to others", async () => {
    const { ask, state, gate } = stage({ whenFull: "wait" });
    let holder = await admission(ask().answer);
    const second = ask().answer;
    holder.cancel();
    state.hasEnded = true;
    expect(await second).toEqual({ status: 503, body: "this route is closed" });
    state.hasEnded = false;
    holder = await admission(ask().answer);
    const [third, fourth] = [ask().answer, ask().answer];
    holder.cancel();
    gate.close();
    expect(await third).toEqual(closing);
    expect(await fourth).toEqual(closing);
  });

  test("that has left meanwhile is answered with 499", async () => {
    const { ask } = stage({ whenFull: "wait" });
    await admission(ask().answer);
    const second = ask();
    second.leave();
    expect(await second.answer).toMatchObject({ status: 499 });
  });
});

describe("the signal of a request", () => {
  test("is not aborted by an answer, nor by what comes after it", async () => {
    let signal: AbortSignal | undefined;
    const { ask, gate } = stage({
      authorize: (request) => {
        signal = request.signal;
        expect(request.signal).toBe(signal);
        return {};
      },
    });
    const { answer, leave } = ask();
    await admission(answer);
    leave();
    gate.close();
    expect(signal?.aborted).toBe(false);
  });
});
