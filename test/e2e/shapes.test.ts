/** The shapes of a handler over real sockets: frames on the wire, backpressure, the command line, and what a process keeps of them. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  channels,
  close,
  fromLogic,
  type LogicInput,
  noreply,
  perConnection,
  ping,
  pong,
  reply,
  type ServerEvent,
} from "sendall";
import { afterEach, expect, test } from "vitest";
import { setup } from "xstate";
import { Client, clientFrame, nextRound, openClients, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import { connect, runToEnd, start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const root = fileURLToPath(new URL("../../", import.meta.url));

test("replies of a module are frames of their kinds, in order, in one write", async () => {
  const { server } = await serveByHand({
    heartbeat: false,
    handler: perConnection({
      init: () => 0,
      handle: (_message, n) => [
        reply("text", n),
        ping(n, "pi"),
        pong(n, "po"),
        reply(Buffer.from([7]), n),
        close(n, 4001, "bye"),
      ],
    }),
  });
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  peer.write(clientFrame("go"));
  await until(() => peer.frames.some(({ opcode }) => opcode === 8));
  const frames = peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString("latin1")}`);
  // Pings and pongs overtake what waits for the turn's end; messages and the close frame keep their order.
  expect(frames.filter((frame) => /^[128] /.test(frame))).toEqual([
    "1 text",
    "2 \x07",
    `8 ${String.fromCharCode(4001 >> 8, 4001 & 255)}bye`,
  ]);
  expect(frames.filter((frame) => /^(9|10) /.test(frame))).toEqual(["9 pi", "10 po"]);
});

test("a ping is answered once and told to the module, a pong is told, and the heartbeat's are not", async () => {
  const told: string[] = [];
  const { server, clock } = await serveByHand({
    handler: perConnection({
      init: () => 0,
      handle: (_message, n) => ping(n, "mine"),
      ping(data, n) {
        told.push(`ping ${data}`);
        return noreply(n);
      },
      pong(data, n) {
        told.push(`pong ${data}`);
        return noreply(n);
      },
    }),
  });
  const client = await Client.open(server.url);
  const pongs: string[] = [];
  client.ws.on("pong", (data) => pongs.push(String(data)));
  await until(() => server.connections().length === 1);
  client.ws.ping("hello");
  const pinged = once(client.ws, "ping");
  clock.pass(25_000);
  expect(String((await pinged)[0])).toBe("heartbeat");
  client.send("ping me");
  await until(() => told.includes("pong mine") && pongs.length > 0);
  client.ws.pong("by itself");
  await until(() => told.length === 3);
  expect([told, pongs]).toEqual([["ping hello", "pong mine", "pong by itself"], ["hello"]]);
});

test("a loop that is slow makes its peer feel it: nothing is lost, and what waits is bounded", async () => {
  const count = 50_000;
  let [handled, mostWaiting, firstWrong] = [0, 0, ""];
  const { server } = await serveByHand({
    handler: perConnection(async (connection) => {
      for await (const message of connection) {
        if (String(message) !== String(handled)) firstWrong ||= `${String(message)} in place ${handled}`;
        handled++;
        mostWaiting = Math.max(mostWaiting, server.stats().received.messages - handled);
        if (handled % 10 === 0) await nextRound();
      }
    }),
  });
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  for (let i = 0; i < count; i += 1_000) {
    const frames = Array.from({ length: 1_000 }, (_, n) => clientFrame(String(i + n)));
    if (!peer.socket.write(Buffer.concat(frames))) await once(peer.socket, "drain");
  }
  await until(() => handled === count);
  expect(firstWrong).toBe("");
  expect(mostWaiting).toBeLessThanOrEqual(64 + Math.ceil(65_536 / 7));
  expect(server.stats()).toMatchObject({ paused: 0, dropped: 0, failures: [] });
});

test("a channel that is slow makes its peer feel it, and other peers' channels go on", async () => {
  const count = 20_000;
  let [handled, mostWaiting] = [0, 0];
  const { server } = await serveByHand({
    handler: channels({
      async slow(event: ServerEvent) {
        if (event.type !== "message") return;
        expect(event.text).toBe(String(handled));
        handled++;
        mostWaiting = Math.max(mostWaiting, server.stats().received.messages - handled);
        if (handled % 10 === 0) await nextRound();
      },
      echo: (event: ServerEvent) => void (event.type === "message" && event.connection.send(event.data)),
    }),
  });
  const other = await Client.open(server.url);
  other.send("sub,echo");
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest());
  peer.write(clientFrame("sub,slow"));
  for (let i = 0; i < count; i += 1_000) {
    const frames = Array.from({ length: 1_000 }, (_, n) => clientFrame(`msg,slow,${i + n}`));
    if (!peer.socket.write(Buffer.concat(frames))) await once(peer.socket, "drain");
    other.send(`msg,echo,${i}`);
  }
  await until(() => handled === count && other.received.length === count / 1_000);
  // The socket's own lane and the channel's, and one read of 64 KiB.
  expect(mostWaiting).toBeLessThanOrEqual(2 * 64 + Math.ceil(65_536 / 16));
  expect(server.stats()).toMatchObject({ paused: 0, dropped: 0, failures: [] });
});

test("a machine, a module, a loop and channels run beside each other on their routes", async () => {
  const machine = setup({
    types: { events: {} as ServerEvent, input: {} as LogicInput, context: {} as LogicInput },
  }).createMachine({
    context: ({ input }) => input,
    on: { message: { actions: ({ context, event }) => void context.bus.broadcast(event.data, event.connection) } },
  });
  const { server } = await serveByHand({
    routes: {
      "/machine": { handler: fromLogic(machine) },
      "/module": { handler: perConnection({ init: () => 0, handle: (message, n) => reply(`${n} ${message}`, n + 1) }) },
      "/loop": {
        handler: perConnection(async (connection) => {
          for await (const message of connection) connection.send(`${String(message)}!`);
        }),
      },
      "/channels": {
        handler: channels({
          a: (event: ServerEvent) => void (event.type === "message" && event.connection.send(event.data)),
        }),
      },
    },
  });
  const [ann, bob] = await openClients(`${server.url}machine`, 2);
  const [module, loop, channel] = [
    await Client.open(`${server.url}module`),
    await Client.open(`${server.url}loop`),
    await Client.open(`${server.url}channels`),
  ];
  await until(() => server.connections().length === 5);
  for (const client of [ann, module, module, loop]) client?.send("hi");
  for (const said of ["sub,a", "msg,a,hi, there", "uns,a"]) {
    channel.send(said);
    await nextRound();
  }
  channel.send("sub,a");
  channel.send("msg,a,again");
  await until(
    () =>
      channel.received.length === 2 &&
      bob?.received.length === 1 &&
      module.received.length === 2 &&
      loop.received.length === 1,
  );
  expect([ann?.received, bob?.received, module.received, loop.received]).toEqual([
    [],
    ["hi"],
    ["0 hi", "1 hi"],
    ["hi!"],
  ]);
  expect(channel.received.at(-1)).toBe("msg,a,again");
});

test.each<[string, string, [string, string]]>([
  [
    "a module",
    `perConnection({ init: () => 0, handle: (message, n) => reply(n + " " + message, n + 1) })`,
    ["hi", "0 hi"],
  ],
  [
    "a loop",
    `perConnection(async (connection) => { for await (const message of connection) connection.send(message + "!"); })`,
    ["hi", "hi!"],
  ],
  [
    "logic",
    `fromLogic(fromTransition((state, event) => { if (event.type === "message") event.connection.send("got " + event.text); return state; }, 0))`,
    ["hi", "got hi"],
  ],
  [
    "channels",
    `channels({ a: (event, bus) => { if (event.type === "open") bus.sendall("welcome"); } })`,
    ["sub,a", "msg,a,welcome"],
  ],
])("sendall serve serves %s that a file exports", async (_what, handler, [said, answer]) => {
  const folder = await mkdtemp(join(tmpdir(), "sendall-"));
  try {
    const from = (name: string): string => JSON.stringify(new URL(name, `file://${root}`).href);
    const source = `import { channels, fromLogic, perConnection, reply } from ${from("dist/index.js")};
      import { fromTransition } from ${from("node_modules/xstate/dist/xstate.esm.js")};
      export default ${handler};`;
    await writeFile(join(folder, "handler.mjs"), source);
    const program = start("dist/cli.js", ["serve", "handler.mjs", "--port", "0"], { cwd: folder });
    const [, url = ""] = await program.stdout.next(/^Listening on (ws:\S+\/)/);
    const client = await connect(url);
    client.send(said);
    expect(await client.next()).toBe(answer);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect((await client.closed).code).toBe(1001);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("failures of handlers of every shape stay within the server: nothing is unhandled, and nothing keeps the process alive", async () => {
  const { code, output, errors } = await runToEnd(`
    import { once } from "node:events";
    import { channels, fromLogic, perConnection, serve } from "sendall";
    import { WebSocket } from "ws";
    import { createMachine } from "xstate";
    const fail = async () => { throw new Error("failed"); };
    const failing = (event) => { if (event.type === "message") throw new Error("failed"); };
    const pusher = async (connection, bus) => { for (;;) { await bus.sleep(1); connection.send("tick"); } };
    const reading = async (connection) => { for await (const _ of connection) await fail(); };
    const module = { init: () => 0, handle: fail };
    const route = (handler) => ({ handler, supervise: { intensity: 0 } });
    const server = await serve({
      port: 0,
      logger: false,
      routes: {
        "/module": route(perConnection(module)),
        "/init": route(perConnection({ ...module, init: fail })),
        "/loop": route(perConnection(reading)),
        "/at-once": route(perConnection(fail)),
        "/machine": route(fromLogic(createMachine({ on: { message: { actions: fail } } }))),
        "/channels": route(channels({ a: failing, b: perConnection(reading), c: perConnection(pusher) })),
        "/pusher": route(perConnection(pusher)),
        "/hangs": route(perConnection(() => new Promise(() => {}))),
      },
    });
    const codes = {};
    for (const path of ["module", "init", "loop", "at-once", "machine"]) {
      const socket = new WebSocket(server.url + path);
      socket.on("open", () => socket.send("go"));
      codes[path] = (await once(socket, "close"))[0];
    }
    const socket = new WebSocket(server.url + "channels");
    const got = [];
    socket.on("message", (data) => got.push(String(data)));
    await once(socket, "open");
    for (const said of ["sub,a", "sub,b", "sub,c", "msg,a,x", "msg,b,x"]) socket.send(said);
    while (!got.includes("uns,a") || !got.includes("uns,b") || !got.includes("msg,c,tick")) await once(socket, "message");
    for (const path of ["pusher", "hangs"]) await once(new WebSocket(server.url + path), "open");
    const { length } = server.stats().failures;
    await server.close({ drainMs: 100 });
    console.log(JSON.stringify([codes, length]));
  `);
  expect([code, errors]).toEqual([0, ""]);
  expect(JSON.parse(output)).toEqual([{ module: 1011, init: 1011, loop: 1011, "at-once": 1011, machine: 1011 }, 7]);
});

test("a channel whose init fails leaves nothing of any channel that would keep the process", async () => {
  const { code, output, errors } = await runToEnd(`
    import { channels, fromLogic, serve } from "sendall";
    import { createMachine } from "xstate";
    const alarm = (bus) => void bus.after(1e9, "never");
    const handle = () => {};
    const serving = serve({
      port: 0,
      logger: false,
      handler: channels({
        a: { init: alarm, handle },
        b: fromLogic(createMachine({ after: { 1e9: {} } })),
        c: { init(bus) { alarm(bus); throw new Error("init failed"); }, handle },
      }),
    });
    await serving.catch(({ message }) => console.log(message));
  `);
  expect([code, output, errors]).toEqual([0, "init failed", ""]);
});

test("no shape keeps a connection that has gone", async () => {
  const { code, output, errors } = await runToEnd(
    `
    import { channels, fromLogic, perConnection } from "sendall";
    import { createTestRuntime } from "sendall/testing";
    import { fromCallback } from "xstate";
    const seen = [];
    const see = (connection) => void seen.push(new WeakRef(connection));
    const handle = (event) => { if (event.type === "open") see(event.connection); };
    const module = perConnection({ init: see, handle: (message, state) => ({ type: "noreply", state }) });
    const loop = perConnection(async (connection, bus) => {
      see(connection);
      await bus.sleep(5);
      for await (const _ of connection) await bus.sleep(5);
    });
    const pusher = perConnection(async (connection, bus) => { see(connection); for (;;) await bus.sleep(5); });
    const runtime = createTestRuntime({
      routes: {
        "/module": { handler: module },
        "/loop": { handler: loop },
        "/pusher": { handler: pusher },
        "/logic": { handler: fromLogic(fromCallback(({ receive }) => receive(handle))) },
        "/channels": { handler: channels({ handle, module, loop, pusher, nested: channels({ handle }) }) },
      },
    });
    for (const path of ["/module", "/loop", "/pusher", "/logic", "/channels"]) {
      let client = await runtime.connect({ path });
      for (const name of ["handle", "module", "loop", "pusher", "nested"]) client.send("sub," + name);
      client.send("msg,nested,sub,handle");
      client.send("msg,loop,x");
      await runtime.advance(20);
      client.send("uns,handle");
      client.close();
      // A loop that reads nothing holds up the close frame.
      await runtime.advance(6_000);
      client = undefined;
    }
    // The runtime keeps the last events of others that come in.
    await (await runtime.connect({ path: "/module" })).close();
    await runtime.settle();
    for (let i = 0; i < 10; i++) {
      await new Promise(setImmediate);
      gc();
    }
    console.log(seen.length, seen.slice(0, -1).filter((ref) => ref.deref() !== undefined).length);
    await runtime.close();
  `,
    "--expose-gc",
  );
  expect([code, output, errors]).toEqual([0, "10 0", ""]);
});
