/** The memory transport with a scheduler of deliveries, as in `explore`: the scheduler decides what arrives when. */
import type { ConnectionId } from "sendall";
import { describe, expect, test } from "vitest";
import type { Gate } from "../../../src/admission/gate.js";
import type { ScheduledLink } from "../../../src/testing/memory-transport/contracts.js";
import { MemoryListener } from "../../../src/testing/memory-transport/memory-listener.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { encodeFrame } from "../../../src/transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../../src/transport/transport.js";
import { headOf } from "../stage.js";

/** A single connection: what each end hears, and the transport between. */
async function connect(): Promise<{
  readonly link: ScheduledLink;
  readonly transport: Transport;
  readonly clock: HandClock;
  readonly server: string[];
  readonly client: string[];
}> {
  const clock = new HandClock();
  const server: string[] = [];
  const client: string[] = [];
  const links: ScheduledLink[] = [];
  const transports: Transport[] = [];
  const transportListener: TransportListener = {
    id: "one" as ConnectionId,
    message: (data) => void server.push(`message ${data}`),
    pinged: (data) => void server.push(`ping ${data}`),
    ponged: () => void server.push("pong"),
    drained: () => void server.push("drained"),
    flooded: () => void server.push("flooded"),
    failed: ({ message }) => void server.push(`failed ${message}`),
    concluded: (code, reason, isFault) => void server.push(`concluded ${code} ${reason} ${isFault}`),
    onTransportClosed: (code) => void server.push(`gone ${code}`),
  };
  const admission: Admission = {
    maxPayloadBytes: 100,
    maxFragments: 1,
    maxPausedBytes: 1,
    isAccepted: false,
    compression: false,
    protocol: "",
    accept(transport) {
      transports.push(transport);
      return transportListener;
    },
    cancel() {},
  };
  const listener = new MemoryListener(clock, { add: (link) => void links.push(link) });
  const gate: Pick<Gate, "admit" | "refused"> = { admit: () => admission, refused() {} };
  await listener.open(gate);
  const events = {
    message: (data: string | Buffer): void => void client.push(`message ${data}`),
    pong: (): void => void client.push("pong"),
    onClosed: (code: number): void => void client.push(`closed ${code}`),
  };
  await listener.connect(headOf("/"), events, new AbortController().signal);
  const [link] = links;
  const [transport] = transports;
  if (link === undefined || transport === undefined) throw new Error("it was not let in");
  return { link, transport, clock, server, client };
}

const frames = (...texts: string[]) => texts.map((text) => encodeFrame(text));

describe("a memory connection under a scheduler of deliveries", () => {
  test("delivers one item when it is told to, and says what comes next", async () => {
    const { link, server, clock } = await connect();
    link.client.send("a");
    link.client.send("b");
    clock.runSteps();
    expect([server, link.toServer.next]).toEqual([[], { type: "message", data: "a" }]);
    link.toServer.deliver();
    expect([server, link.toServer.next]).toEqual([["message a"], { type: "message", data: "b" }]);
    link.toServer.deliver();
    link.toServer.deliver();
    expect([server, link.toServer.next]).toEqual([["message a", "message b"], undefined]);
  });

  test("has nothing next while the reader does not read", async () => {
    const { link, transport, server, client } = await connect();
    transport.pause();
    link.client.send("a");
    link.client.stall();
    transport.write(frames("b", "c"));
    expect([link.toServer.next, link.toClient.next]).toEqual([undefined, undefined]);
    link.toServer.deliver();
    link.toClient.deliver();
    expect([server, client]).toEqual([[], []]);
    transport.resume();
    link.client.resume();
    link.toServer.deliver();
    link.toClient.deliver();
    expect([server, client]).toEqual([
      ["message a", "drained"],
      ["message b", "message c"],
    ]);
  });

  test("keeps what was read in part first in line", async () => {
    const { link, transport, server, client } = await connect();
    link.client.stall();
    transport.write(frames("first", "second"));
    link.client.read(10);
    link.toClient.deliver();
    expect([client, transport.untakenBytes, transport.mustWait()]).toEqual([["message first"], 5, true]);
    expect([link.toClient.next, link.client.isCaughtUp]).toEqual([undefined, false]);
    link.client.read(5);
    link.toClient.deliver();
    expect([client, transport.untakenBytes, server]).toEqual([["message first", "message second"], 0, ["drained"]]);
    expect(link.client.isCaughtUp).toBe(true);
  });

  test("that is reset loses what was on its way; a connection that fails or ends does not", async () => {
    const results: string[][] = [];
    for (const how of ["reset", "fail", "end"] as const) {
      const { link, transport, server, client } = await connect();
      link.client.send("on its way");
      transport.write(frames("on its way, too"));
      if (how === "end") link.client.disconnect();
      else link.client[how](new Error("broken"));
      while (link.toServer.next !== undefined) link.toServer.deliver();
      while (link.toClient.next !== undefined) link.toClient.deliver();
      results.push([...server, ...client]);
      expect([link.isOver, link.isClientOpen, link.client.send("late")]).toEqual([true, false, false]);
    }
    expect(results).toEqual([
      ["failed broken", "gone 1006", "closed 1006"],
      ["message on its way", "failed broken", "gone 1006", "closed 1006"],
      ["message on its way", "gone 1006", "closed 1006"],
    ]);
  });

  test("that has vanished takes and brings nothing, and our side's cut does not reach the client", async () => {
    const { link, transport, clock, server, client } = await connect();
    link.client.send("on its way");
    transport.write(frames("on its way, too"));
    link.client.vanish();
    transport.write(frames("lost"));
    link.client.resume();
    transport.write(frames("lost"));
    expect([link.client.send("lost, too"), transport.untakenBytes]).toEqual([true, 12]);
    expect([link.toClient.next, link.toServer.next]).toEqual([undefined, undefined]);
    transport.terminate();
    clock.runSteps();
    expect([server, client, link.isClientOpen, link.isOver]).toEqual([["gone 1006"], [], true, false]);
    link.client.disconnect();
    expect([client, link.isOver]).toEqual([["closed 1006"], true]);
  });

  test("that ends at the client after it has vanished is open until our side cuts it", async () => {
    for (const how of ["fail", "reset", "end"] as const) {
      const { link, transport, clock, server, client } = await connect();
      link.client.vanish();
      if (how === "end") link.client.disconnect();
      else link.client[how](new Error("broken"));
      clock.runSteps();
      expect([client, link.toServer.next, transport.isOpen]).toEqual([["closed 1006"], undefined, true]);
      transport.terminate();
      clock.runSteps();
      expect([server, link.isOver]).toEqual([["gone 1006"], true]);
    }
  });

  test("that its client closes is open until our side answers, and is gone after that", async () => {
    const { link, transport, clock, server, client } = await connect();
    link.client.close(4_000, "bye");
    link.toServer.deliver();
    expect([server, transport.isOpen]).toEqual([["concluded 4000 bye false"], true]);
    transport.write(frames("reply"));
    transport.close(4_000, "bye");
    expect([server.length, transport.isOpen]).toEqual([1, false]);
    while (link.toClient.next !== undefined) link.toClient.deliver();
    clock.runSteps();
    expect([server, client]).toEqual([
      ["concluded 4000 bye false", "gone 4000"],
      ["message reply", "closed 4000"],
    ]);
    expect(link.isOver).toBe(true);
  });

  test("whose client sends too large a message is open until our side answers", async () => {
    const { link, transport, clock, server, client } = await connect();
    link.client.send("x".repeat(101));
    link.client.send("late");
    link.toServer.deliver();
    expect([server, link.toServer.next]).toEqual([
      ["concluded 1009  true", "failed Max payload size exceeded"],
      undefined,
    ]);
    transport.close(1_009, "");
    while (link.toClient.next !== undefined) link.toClient.deliver();
    clock.runSteps();
    expect([server.at(-1), client]).toEqual(["gone 1006", ["closed 1009"]]);
  });

  test("can be terminated by the message that it delivers", async () => {
    const { link, transport, server } = await connect();
    link.client.send("a");
    link.client.send("b");
    const { deliver } = link.toServer;
    deliver.call(link.toServer);
    transport.terminate();
    deliver.call(link.toServer);
    expect(server).toEqual(["message a"]);
  });
});
