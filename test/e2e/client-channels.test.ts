/** `sendall/client` against our own `channels({...})`, on the memory transport. */
import { channels } from "sendall";
import { connect } from "sendall/client";
import { createTestRuntime } from "sendall/testing";
import { expect, test } from "vitest";

test("a client's channels meet the channels of the server", async () => {
  const log: unknown[] = [];
  await using runtime = createTestRuntime({
    handler: channels({
      ann: (event, bus) => {
        if (event.type === "open") bus.unicast("welcome, friend", event.connection);
        if (event.type === "message" && event.text === "end") event.connection.close();
        else if (event.type === "message") bus.sendall(event.data);
        if (event.type === "closed") log.push(["ann closed", event.code, event.by]);
      },
      bob: (event, bus) => {
        if (event.type === "message") bus.unicast(event.data, event.connection);
      },
    }),
  });
  const client = connect("/", {
    WebSocket: runtime.WebSocket,
    reconnect: { jitter: 0 },
    onMessage: (data) => log.push(["main", data]),
  });
  const open = (name: string) =>
    client.channel(name, {
      onOpen: () => log.push(`${name} open`),
      onMessage: (data) => log.push([name, data]),
      onClose: ({ code, willRetry }) => log.push([`${name} end`, code, willRetry]),
      onError: (error) => log.push([name, error.message]),
    });
  const [ann, bob, carl] = [open("ann"), open("bob"), open("carl")];
  ann.send("a, b");
  bob.send(new Uint8Array([1, 44]));
  await runtime.settle();
  expect(log.splice(0)).toEqual([
    "ann open",
    "bob open",
    "carl open",
    ["carl", 'the channel "carl" was refused: there is no such channel'],
    ["carl end", 1006, false],
    ["ann", "welcome, friend"],
    ["ann", "a, b"],
    ["bob", new Uint8Array([1, 44])],
  ]);
  expect(carl.state).toBe("closed");
  ann.send("end");
  ann.send("too late");
  await runtime.settle();
  expect(log.splice(0)).toEqual([
    ["ann closed", 1000, "server"],
    ["ann end", 1000, false],
  ]);
  const again = open("ann");
  await runtime.settle();
  expect([again.state, log.splice(0)]).toEqual(["open", ["ann open", ["ann", "welcome, friend"]]]);
  for (const connection of runtime.server.connections()) connection.close(1012);
  await runtime.settle();
  bob.send("meanwhile");
  await runtime.advance(1000);
  expect(log.splice(0)).toEqual([
    ["bob end", 1012, true],
    ["ann end", 1012, true],
    ["ann closed", 1012, "server"],
    "bob open",
    "ann open",
    ["ann", "welcome, friend"],
    ["bob", "meanwhile"],
  ]);
  again.close();
  await runtime.settle();
  expect(log).toEqual(
    [
      ["ann closed", 1000, "peer"],
      ["ann end", 1000, false],
    ].toReversed(),
  );
  expect([bob.state, client.state]).toEqual(["open", "open"]);
});
