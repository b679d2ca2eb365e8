/** Peers that send more control frames than anybody needs: the others are read in between. */
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

/** More than a read, and as much as the kernel takes at once of a peer that does not wait. */
const FLOOD_BYTES = 524_288;

/** A peer that is let in with a session. */
async function enter(port: number): Promise<RawPeer> {
  const peer = new RawPeer(port);
  onTestFinished(() => void peer.socket.destroy());
  await once(peer.socket, "connect");
  peer.write(upgradeRequest().replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: sendall.1\r\n\r\n"));
  await until(() => peer.frames.length === 1);
  return peer;
}

test.each([
  ["questions for a sign of life", clientFrame("~h")],
  ["acknowledgements", clientFrame("~a7")],
  ["unknown control frames", clientFrame("~x")],
  ["pongs", clientFrame("", { opcode: 10 })],
  ["pings", clientFrame("", { opcode: 9 })],
])("a flood of %s keeps nobody waiting until its end, and all behind it is read", async (_what, frame) => {
  const seen: unknown[] = [];
  const { server } = await serveByHand({
    heartbeat: false,
    handler(event) {
      if (event.type === "message") seen.push(event.data);
    },
  });
  // The one that sends first is read first.
  const flood = await enter(server.port);
  const other = await enter(server.port);
  // The kernel takes much at once of a peer that has sent much before.
  for (let i = 0; i < 64; i++) flood.write(clientFrame(Buffer.alloc(131_072), { opcode: 2 }));
  await until(() => seen.length === 64);
  seen.length = 0;
  const frames = Array.from({ length: FLOOD_BYTES / frame.length }, () => frame);
  flood.write(Buffer.concat([...frames, clientFrame("the end of the flood")]));
  other.write(clientFrame("the other"));
  await until(() => seen.length === 2);
  expect(seen).toEqual(["the other", "the end of the flood"]);
});

test("a peer whose mailbox is full is not read on behind a flood of control frames", async () => {
  const seen: unknown[] = [];
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { server } = await serveByHand({
    heartbeat: false,
    mailbox: { highWaterEvents: 2, lowWaterEvents: 1 },
    async handler(event) {
      if (event.type !== "message") return;
      seen.push(event.data);
      if (event.data === "wait") await gate;
    },
  });
  const flood = await enter(server.port);
  const other = await enter(server.port);
  const asked = Array.from({ length: 1_000 }, () => clientFrame("~h"));
  flood.write(Buffer.concat(["wait", "a", "b", "c"].map((text) => clientFrame(text)).concat(asked)));
  await until(() => server.stats().paused === 1);
  const { messages } = server.stats().received;
  flood.write(clientFrame("late"));
  // Each pong to the other is a round of the event loop.
  for (let i = 1; i <= 5; i++) {
    other.write(clientFrame("", { opcode: 9 }));
    await until(() => other.frames.length === i + 1);
  }
  expect([server.stats().received.messages - messages, server.stats().paused]).toEqual([0, 1]);
  release();
  await until(() => seen.includes("late"));
});
