/** What becomes of a socket whose handshake comes to nothing: its place is free again, and it is told of once. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import type { Gate } from "../../../src/admission/gate.js";
import type { UpgradeAttempt } from "../../../src/admission/upgrade-attempt.js";
import type { Refusal } from "../../../src/api/rejection.js";
import { createUpgrades, type HandOver } from "../../../src/http/upgrade.js";
import { createLogger } from "../../../src/log/log.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import type { Admission } from "../../../src/transport/transport.js";

function stage(
  admit: (attempt: UpgradeAttempt) => ReturnType<Gate["admit"]>,
  handOver: HandOver,
  { isShared = false }: { readonly isShared?: boolean } = {},
) {
  const told: number[] = [];
  const gate: Pick<Gate, "admit" | "refused"> = {
    admit,
    refused: (_attempt, { status }: Refusal) => void told.push(status),
  };
  const { onUpgrade } = createUpgrades({
    gate,
    clock: new HandClock(),
    log: createLogger(false, ""),
    handOver,
    sockjs: undefined,
    isShared,
  });
  return {
    told,
    /** A good request on this socket. */
    ask(socket: Socket): void {
      const request = new IncomingMessage(socket);
      request.method = "GET";
      request.headers = {
        host: "a",
        upgrade: "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
      };
      request.rawHeaders = Object.entries(request.headers).flatMap(([name, value]) => [name, String(value)]);
      onUpgrade(request, socket, Buffer.alloc(0));
    },
  };
}

function place() {
  const counts = { cancelled: 0 };
  const admission = {
    maxPayloadBytes: 1,
    maxFragments: 1,
    maxPausedBytes: 1,
    isAccepted: false,
    compression: false,
    protocol: "",
    accept: () => {
      throw new Error("nobody shakes hands here");
    },
    cancel: () => void counts.cancelled++,
  } satisfies Admission;
  return { counts, admission };
}

function goneSocket(): Socket {
  const socket = new Socket();
  socket.destroy();
  return socket;
}

describe("a peer that was let in", () => {
  test("and has left gives its place back, and is told to onAccess as a peer that left", () => {
    const { counts, admission } = place();
    const { told, ask } = stage(
      () => admission,
      () => {
        throw new Error("there is nobody to hand over");
      },
    );
    ask(goneSocket());
    expect([counts.cancelled, told]).toEqual([1, [499]]);
  });

  test("and does not shake hands after all gives its place back", () => {
    const { counts, admission } = place();
    let handed = 0;
    const { ask } = stage(
      () => admission,
      () => void handed++,
    );
    ask(openSocket());
    expect([handed, counts.cancelled]).toEqual([1, 1]);
  });
});

/** A socket that can be read and written. */
function openSocket(): Socket {
  return Object.defineProperties(new Socket(), { readable: { value: true }, writable: { value: true } });
}

test("a request that the program has kept keeps every header", () => {
  const { admission } = place();
  const kept: UpgradeAttempt[] = [];
  const handed: string[][] = [];
  const { ask } = stage(
    (attempt) => {
      kept.push(attempt);
      return admission;
    },
    ({ headers }) => void handed.push(Object.keys(headers).sort()),
  );
  ask(openSocket());
  expect(handed).toEqual([["sec-websocket-key", "sec-websocket-version", "upgrade"]]);
  expect(kept[0]?.raw).toBeInstanceOf(IncomingMessage);
  expect(kept[0]?.raw?.headers).toMatchObject({ host: "a", upgrade: "websocket" });
});

test("the signal of a peer that has left before it was asked for is aborted", () => {
  const seen: boolean[] = [];
  const { told, ask } = stage(
    ({ signal }) => {
      seen.push(signal.aborted);
      return { status: 401, body: "" };
    },
    () => {},
  );
  ask(goneSocket());
  expect([seen, told]).toEqual([[true], [401]]);
});
