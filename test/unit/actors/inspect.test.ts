/** What XState's `inspect` shows of a server: its actors, and the way of a message through them. */
import { createTestRuntime } from "sendall/testing";
import { expect, test } from "vitest";
import type { InspectionEvent } from "xstate";

test("a broadcast is seen at the source's receiver, the handler and each recipient's sender, and at no actor once nobody looks on", async () => {
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type === "message") bus.broadcast(event.data, event.connection);
    },
  });
  const [alice, bob, carl] = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
  const seen: string[] = [];
  const { unsubscribe } = runtime.server.actor.system.inspect((event: InspectionEvent) => {
    if (event.type === "@xstate.event" && "id" in event.actorRef) seen.push(`${event.actorRef.id} ${event.event.type}`);
  });
  alice.send("hi");
  await runtime.settle();
  expect(seen).toEqual([
    `receiver:${alice.id} message`,
    "handler message",
    `sender:${bob.id} flush`,
    `sender:${carl.id} flush`,
  ]);
  unsubscribe();
  alice.send("hi again");
  await runtime.settle();
  expect(seen.length).toBe(4);
  expect(bob.take()).toEqual(["hi", "hi again"]);
});

test("the tree is the server, its routes, and under each its handler, receivers and senders", async () => {
  await using runtime = createTestRuntime({ routes: { "/a": { handler() {} } } });
  const started: string[] = [];
  const { actor } = runtime.server;
  actor.system.inspect((event: InspectionEvent) => {
    if (event.type === "@xstate.actor" && "id" in event.actorRef) started.push(String(event.actorRef.id));
  });
  const client = await runtime.connect({ path: "/a" });
  expect(started.sort()).toEqual([`receiver:${client.id}`, `sender:${client.id}`]);
  expect(actor.getSnapshot().value).toBe("listening");
});

test("an inspector that closes a connection at its message keeps that message from the handler", async () => {
  const seen: string[] = [];
  await using runtime = createTestRuntime({
    handler(event) {
      seen.push(event.type);
    },
  });
  const client = await runtime.connect();
  runtime.server.actor.system.inspect((event: InspectionEvent) => {
    if (event.type === "@xstate.event" && event.event.type === "message")
      for (const connection of runtime.server.connections()) connection.close();
  });
  client.send("too late");
  await runtime.settle();
  expect(seen).toEqual(["open", "closed"]);
});
