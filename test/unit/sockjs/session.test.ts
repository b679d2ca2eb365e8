/** The machine of a session: what it has done, when, and what becomes of one that fails. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { createServerActor } from "../../../src/server/server-actor.js";
import { type SessionLife, SessionSupervisor } from "../../../src/sockjs/http/session.js";
import { shapes } from "../../../src/sockjs/http/shapes.js";
import { Stream } from "../../../src/sockjs/http/stream.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission } from "../../../src/transport/transport.js";

const ACTIONS = [
  "greet",
  "take",
  "turnAway",
  "beatLater",
  "expireLater",
  "endWait",
  "interrupt",
  "cutOff",
  "end",
  "crash",
];

/** A life that notes what it is told to do, and fails at one of it. */
function stage(failing = "") {
  const told: string[] = [];
  const act = (name: string) => (): void => {
    told.push(name);
    if (name === failing) throw new Error(`${name} failed`);
  };
  const life = Object.fromEntries(ACTIONS.map((name) => [name, act(name)])) as unknown as SessionLife;
  return { told, life };
}

function stream(): Stream {
  const request = new IncomingMessage(new Socket());
  return new Stream(request, new ServerResponse(request), shapes.xhr, "", 1);
}

const admission = {} as Admission;

function families() {
  const crashes: unknown[] = [];
  const server = createServerActor(new HandClock(), () => crashes.push("the server"));
  const family = new SessionSupervisor(server, (error) => crashes.push(error));
  return { crashes, server, family };
}

test("a session beats while it has a response, and expires while it has none", () => {
  const { family } = families();
  const { told, life } = stage();
  const send = family.spawn(life);
  const seen = (event: Parameters<typeof send>[0]): string[] => {
    send(event);
    return told.splice(0);
  };
  expect(seen({ type: "attach", stream: stream() })).toEqual(["turnAway"]);
  expect(seen({ type: "admitted", admission })).toEqual(["greet", "beatLater"]);
  expect(seen({ type: "attach", stream: stream() })).toEqual(["turnAway"]);
  expect(seen({ type: "detached" })).toEqual(["endWait", "expireLater"]);
  expect(seen({ type: "attach", stream: stream() })).toEqual(["endWait", "take", "beatLater"]);
  expect(seen({ type: "close" })).toEqual(["endWait", "expireLater"]);
  expect(seen({ type: "attach", stream: stream() })).toEqual(["endWait", "turnAway", "expireLater"]);
  expect(seen({ type: "lost" })).toEqual(["cutOff"]);
  expect(seen({ type: "expired" })).toEqual(["endWait", "end"]);
  expect(seen({ type: "lost" })).toEqual([]);
});

test("a session that is lost is interrupted, and says so for a while", () => {
  const { family } = families();
  const { told, life } = stage();
  const send = family.spawn(life);
  send({ type: "admitted", admission });
  send({ type: "lost" });
  send({ type: "attach", stream: stream() });
  expect(told).toEqual([
    "greet",
    "beatLater",
    "endWait",
    "interrupt",
    "expireLater",
    "endWait",
    "turnAway",
    "expireLater",
  ]);
});

test("a session that is not let in ends at once", () => {
  const { family } = families();
  const { told, life } = stage();
  family.spawn(life)({ type: "lost" });
  expect(told).toEqual(["end"]);
});

test("a session that fails ends alone", () => {
  const { crashes, family, server } = families();
  const bad = stage("take");
  const good = stage();
  const [toBad, toGood] = [family.spawn(bad.life), family.spawn(good.life)];
  for (const send of [toBad, toGood]) {
    send({ type: "admitted", admission });
    send({ type: "detached" });
    send({ type: "attach", stream: stream() });
  }
  expect(crashes).toEqual([new Error("take failed")]);
  expect(bad.told.at(-1)).toBe("crash");
  expect(good.told.at(-1)).toBe("beatLater");
  expect(server.getSnapshot().status).toBe("active");
});

test("at the server's end a session does not wait any longer", () => {
  const { family } = families();
  const { told, life } = stage();
  const send = family.spawn(life);
  send({ type: "admitted", admission });
  send({ type: "detached" });
  family.end();
  expect(told.slice(-2)).toEqual(["endWait", "end"]);
});
