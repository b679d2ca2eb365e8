/** Floods and stalled readers, over real sockets. */
import { once } from "node:events";
import { expect, test } from "vitest";
import {
  Client,
  clientFrame,
  heapInUse,
  nextRound,
  openClients,
  RawPeer,
  serveByHand,
  until,
  upgradeRequest,
} from "./peers.js";

test("a flood of 200,000 messages to a handler that takes its time is bounded, complete and in order, and others are answered", async () => {
  const count = 200_000;
  let handled = 0;
  let taken = 0;
  let mostWaiting = 0;
  let firstWrong: string | undefined;
  const heaps: number[] = [];
  const { server } = await serveByHand({
    async handler(event, bus) {
      if (event.type !== "message") return;
      mostWaiting = Math.max(mostWaiting, server.stats().received.messages - ++taken);
      await nextRound();
      if (event.connection.path === "/other") {
        bus.unicast("answer", event.connection);
        return;
      }
      if (event.text !== String(handled)) firstWrong ??= `${event.text} in place ${handled}`;
      handled++;
      if (handled % 50_000 === 1) heaps.push(heapInUse());
    },
  });
  const other = await Client.open(`${server.url}other`);
  let answered = 0;
  other.ws.removeAllListeners("message");
  other.ws.on("message", () => {
    answered++;
    other.send("again");
  });
  other.send("first");

  const flooder = new RawPeer(server.port);
  flooder.write(upgradeRequest("/flood"));
  for (let i = 0; i < count; i += 1_000) {
    const frames = Array.from({ length: 1_000 }, (_, n) => clientFrame(String(i + n)));
    if (!flooder.socket.write(Buffer.concat(frames))) await once(flooder.socket, "drain");
  }
  await until(() => handled === count);

  expect(firstWrong).toBeUndefined();
  // The bound, and what one read of 64 KiB brings: the frames have 7 bytes and more. The other client has one in the mailbox.
  expect(mostWaiting).toBeLessThanOrEqual(64 + Math.ceil(65_536 / 7) + 1);
  expect(server.stats().dropped).toBe(0);
  expect(answered).toBeGreaterThan(1_000);
  // Each message that waits holds some 200 bytes: an unbounded queue would show as 10 MB and more between two looks.
  expect(Math.max(...heaps) - Math.min(...heaps)).toBeLessThan(8 * 1_048_576);
});

test.each(["close", "dropOldest", "dropNewest"] as const)(
  'a stalled reader under a steady stream is bounded with "%s", and the others notice nothing',
  async (slowConsumer) => {
    const count = 400;
    const maxBufferedBytes = 262_144;
    const message = "x".repeat(32_768);
    const { server } = await serveByHand({ outbox: { maxBufferedBytes, slowConsumer }, handler() {} });
    const [stalled, ...others] = await openClients(server.url, 5);
    await until(() => server.connections().length === 5);
    stalled?.ws.pause();
    const connections = server.connections();
    let mostBuffered = 0;
    for (let i = 0; i < count; i++) {
      server.sendall(`${i}:${message}`);
      for (const { bufferedAmount } of connections) mostBuffered = Math.max(mostBuffered, bufferedAmount);
      await until(() => others.every((client) => client.received.length === i + 1));
    }
    for (const client of others) expect(numbers(client)).toEqual([...Array(count).keys()]);
    expect(mostBuffered).toBeLessThanOrEqual(maxBufferedBytes + message.length + 20);
    expect(server.stats().slowConsumers).toBe(1);
    expect(server.stats().dropped).toBeGreaterThan(0);

    stalled?.ws.resume();
    const isClosing = slowConsumer === "close";
    await until(() =>
      isClosing ? stalled?.closed !== undefined : connections.every((one) => one.bufferedAmount === 0),
    );
    await until(() => server.stats().sent.messages === others.length * count + (stalled?.received.length ?? 0));
    const got = stalled === undefined ? [] : numbers(stalled);
    const gap = got.findIndex((number, i) => number !== i);
    if (isClosing) {
      expect(stalled?.closed).toEqual({ code: 1013, reason: "slow consumer" });
      expect(server.stats().dropped).toBe(1);
      expect(gap).toBe(-1);
    } else expect(got.length).toBe(count - server.stats().dropped);
    if (slowConsumer === "dropNewest") expect(gap).toBe(-1);
    // What the socket had taken is there, then the oldest that waited are missing in one piece, and the newest are there.
    if (slowConsumer === "dropOldest") expect(got.slice(gap)).toEqual([...Array(count).keys()].slice(gap - got.length));
  },
);

function numbers(client: Client): number[] {
  return client.received.map((text) => Number.parseInt(String(text), 10));
}

// The kernel takes 1.5 MB for a client on loopback, if it is asked.
test("a handler may send a healthy connection more than maxBufferedBytes in one event", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "message")
        for (let i = 0; i < 150; i++) bus.unicast(String(i).padEnd(10_000), event.connection);
    },
  });
  const client = await Client.open(server.url);
  client.send("replay");
  await until(() => client.received.length === 150 || client.closed !== undefined);
  expect(client.received.length).toBe(150);
  expect(server.stats().slowConsumers).toBe(0);
});
