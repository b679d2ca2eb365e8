/** The session machine: which actions run when, and how a failing session ends. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { createServerActor } from "../../../src/server/server-actor.js";
import { ResponseReceiver } from "../../../src/sockjs/http/response-receiver.js";
import type { SessionActions } from "../../../src/sockjs/http/session-machine.js";
import { SessionSupervisor } from "../../../src/sockjs/http/session-supervisor.js";
import { transportFormats } from "../../../src/sockjs/protocol/transport-formats.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission } from "../../../src/transport/transport.js";

const ACTIONS = [
  "open",
  "attachReceiver",
  "rejectReceiver",
  "startHeartbeats",
  "startDisconnectTimer",
  "stopTimer",
  "interrupt",
  "terminateReceivers",
  "unregister",
  "stop",
];

/** A actions that notes what it is told to do, and fails at one of it. */
function stage(failing = "") {
  const told: string[] = [];
  const act = (name: string) => (): void => {
    told.push(name);
    if (name === failing) throw new Error(`${name} failed`);
  };
  const actions = Object.fromEntries(ACTIONS.map((name) => [name, act(name)])) as unknown as SessionActions;
  return { told, actions };
}

function createReceiver(): ResponseReceiver {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  return new ResponseReceiver({ request, response, format: transportFormats.xhr, callback: "", maxLength: 1 });
}

const admission = {} as Admission;

function createSupervisor() {
  const crashes: unknown[] = [];
  const server = createServerActor(new HandClock(), () => crashes.push("the server"));
  const supervisor = new SessionSupervisor(server, (error) => crashes.push(error));
  return { crashes, server, supervisor };
}

test("a session beats while it has a response, and expires while it has none", () => {
  const { supervisor } = createSupervisor();
  const { told, actions } = stage();
  const send = supervisor.spawn(actions);
  const seen = (event: Parameters<typeof send>[0]): string[] => {
    send(event);
    return told.splice(0);
  };
  expect(seen({ type: "attach", receiver: createReceiver() })).toEqual(["rejectReceiver"]);
  expect(seen({ type: "admitted", admission })).toEqual(["open", "startHeartbeats"]);
  expect(seen({ type: "attach", receiver: createReceiver() })).toEqual(["rejectReceiver"]);
  expect(seen({ type: "detached" })).toEqual(["stopTimer", "startDisconnectTimer"]);
  expect(seen({ type: "attach", receiver: createReceiver() })).toEqual([
    "stopTimer",
    "attachReceiver",
    "startHeartbeats",
  ]);
  expect(seen({ type: "close" })).toEqual(["stopTimer", "startDisconnectTimer"]);
  expect(seen({ type: "attach", receiver: createReceiver() })).toEqual([
    "stopTimer",
    "rejectReceiver",
    "startDisconnectTimer",
  ]);
  expect(seen({ type: "lost" })).toEqual(["terminateReceivers"]);
  expect(seen({ type: "expired" })).toEqual(["stopTimer", "unregister"]);
  expect(seen({ type: "lost" })).toEqual([]);
});

test("a session that is lost is interrupted, and says so for a while", () => {
  const { supervisor } = createSupervisor();
  const { told, actions } = stage();
  const send = supervisor.spawn(actions);
  send({ type: "admitted", admission });
  send({ type: "lost" });
  send({ type: "attach", receiver: createReceiver() });
  expect(told).toEqual([
    "open",
    "startHeartbeats",
    "stopTimer",
    "interrupt",
    "startDisconnectTimer",
    "stopTimer",
    "rejectReceiver",
    "startDisconnectTimer",
  ]);
});

test("a session that is not let in ends at once", () => {
  const { supervisor } = createSupervisor();
  const { told, actions } = stage();
  supervisor.spawn(actions)({ type: "lost" });
  expect(told).toEqual(["unregister"]);
});

test("a session that fails ends alone", () => {
  const { crashes, supervisor, server } = createSupervisor();
  const bad = stage("attachReceiver");
  const good = stage();
  const [toBad, toGood] = [supervisor.spawn(bad.actions), supervisor.spawn(good.actions)];
  for (const send of [toBad, toGood]) {
    send({ type: "admitted", admission });
    send({ type: "detached" });
    send({ type: "attach", receiver: createReceiver() });
  }
  expect(crashes).toEqual([new Error("attachReceiver failed")]);
  expect(bad.told.at(-1)).toBe("stop");
  expect(good.told.at(-1)).toBe("startHeartbeats");
  expect(server.getSnapshot().status).toBe("active");
});

test("at the server's end a session does not wait any longer", () => {
  const { supervisor } = createSupervisor();
  const { told, actions } = stage();
  const send = supervisor.spawn(actions);
  send({ type: "admitted", admission });
  send({ type: "detached" });
  supervisor.stop();
  expect(told.slice(-2)).toEqual(["stopTimer", "unregister"]);
});
