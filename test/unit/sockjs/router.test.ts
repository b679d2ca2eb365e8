/** The router with a gate under the control of the test: sessions of clients that leave before the decision, or during an end. */
import { once } from "node:events";
import { createServer, request, type ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import type { Gate } from "../../../src/admission/gate.js";
import type { ConnectionId } from "../../../src/api/connection.js";
import { createLogger } from "../../../src/log/log.js";
import { readServerOptions } from "../../../src/options/read-server-options.js";
import { createServerActor } from "../../../src/server/server-actor.js";
import { SockJsRouter } from "../../../src/sockjs/router.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission, Transport, TransportListener } from "../../../src/transport/transport.js";

const listener: TransportListener = {
  id: "c1" as ConnectionId,
  message() {},
  pinged() {},
  ponged() {},
  drained() {},
  flooded() {},
  failed() {},
  concluded() {},
  onTransportClosed() {},
};

/** Starts a server whose gate decides when the test calls `decide`. */
async function stage() {
  const told: string[] = [];
  let decide = (_admission: Admission): void => {};
  let transport: Transport | undefined;
  const clock = new HandClock();
  const gate: Pick<Gate, "admit" | "hasRoute" | "refused"> = {
    admit: () =>
      new Promise((resolve) => {
        decide = resolve;
        told.push("asked");
      }),
    hasRoute: () => false,
    refused: (_attempt, { status }) => void told.push(`refused ${status}`),
  };
  const { routes } = readServerOptions({ sockjs: true, routes: { "/echo": { handler() {} } } });
  const parent = createServerActor(clock, () => told.push("failed"));
  const router = SockJsRouter.create({ routes, gate, clock, log: createLogger(false, ""), trustProxy: false, parent });
  const responses: ServerResponse[] = [];
  const server = createServer((asked, response) => {
    responses.push(response);
    router?.answer(asked, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close().closeAllConnections());
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const admission: Admission = {
    maxPayloadBytes: 1,
    maxFragments: 1,
    maxPausedBytes: 1,
    isAccepted: false,
    compression: false,
    protocol: "",
    accept: (made) => {
      told.push("accepted");
      transport = made;
      return { ...listener, onTransportClosed: (code) => void told.push(`closed ${code}`) };
    },
    cancel: () => void told.push("cancelled"),
  };
  return { told, clock, port, responses, decide: () => decide(admission), terminate: () => transport?.terminate() };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test("a session that is let in after its client has left gives its place back", async () => {
  const { told, clock, port, responses, decide } = await stage();
  const asked = request({ port, host: "127.0.0.1", method: "POST", path: "/echo/0/0/xhr" });
  asked.on("error", () => {});
  asked.end();
  await until(() => told.length === 1);
  asked.destroy();
  await until(() => responses[0]?.closed === true);
  decide();
  await until(() => told.length === 3);
  expect(told).toEqual(["asked", "cancelled", "refused 499"]);
  expect(clock.alarms).toBe(0);
});

/** Polls. @returns the body, or `"cut"` if the response was cut */
function poll(port: number): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ port, host: "127.0.0.1", method: "POST", path: "/echo/0/0/xhr" }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(body));
    });
    asked.on("error", () => resolve("cut"));
    asked.end();
  });
}

test("a session that is let in while its client waits is opened", async () => {
  const { told, port, decide } = await stage();
  const answer = poll(port);
  await until(() => told.length === 1);
  decide();
  expect(await answer).toBe("o\n");
  expect(told).toEqual(["asked", "accepted"]);
});

test("a poll that comes while the session is being cut is cut with it", async () => {
  const { told, clock, port, responses, decide, terminate } = await stage();
  const opening = poll(port);
  await until(() => told.length === 1);
  decide();
  await opening;
  terminate();
  const late = poll(port);
  await until(() => responses.length === 2);
  clock.runSteps();
  expect(await late).toBe("cut");
  expect(told.at(-1)).toBe("closed 1006");
  expect(await poll(port)).toBe('c[1002,"Connection interrupted"]\n');
});
