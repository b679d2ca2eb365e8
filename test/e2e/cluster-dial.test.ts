/** Ports where a cluster's engine should be and something else answers, or nothing does: no socket is left there, and no process is held. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type ClusterAdapter, serve } from "sendall";
import { nats } from "sendall/nats";
import { redis } from "sendall/redis";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { SocketTracker, untracked } from "../../src/cluster/engines/socket-tracker.js";
import { until } from "./peers.js";
import { runCode, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

/** Listens on a free port; what it says to each socket is up to `greet`. */
async function listen(greet: (socket: Socket, count: number) => void): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {});
    greet(socket, sockets.push(socket));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, sockets };
}

async function join(cluster: ClusterAdapter) {
  const server = await serve({ port: 0, logger: false, cluster, handler() {} });
  onTestFinished(() => server.close());
  return server;
}

const INFO = '{"server_id":"x","version":"2.10.0","proto":1,"max_payload":1048576';
const endings: readonly (readonly [string, string, object])[] = [
  ["says nothing", "", {}],
  ["breaks off in its first line", `INFO ${INFO}`, {}],
  ["never shakes hands over TLS", `INFO ${INFO},"tls_required":true}\r\n`, {}],
  ["never shakes hands over TLS, which comes first", "", { tls: { handshakeFirst: true } }],
  ["does not answer pings", `INFO ${INFO}}\r\n`, {}],
  ["speaks of something else without an end", "x".repeat(300_000), {}],
];

describe("nats() at a port that", () => {
  test.each(endings)("%s ends each socket that is of no use", async (_case, greeting, options) => {
    const { port, sockets } = await listen((socket) => socket.write(greeting));
    const servers = `127.0.0.1:${port}`;
    await join(nats({ servers, timeout: 50, reconnectTimeWait: 10, waitForLink: true, ...options }));
    await until(() => sockets.length > 3);
    await until(() => sockets.slice(0, 3).every(({ destroyed }) => destroyed));
  });

  test.each(endings)("%s lets go of the last socket when the server closes", async (_case, greeting, options) => {
    const { port, sockets } = await listen((socket) => socket.write(greeting));
    const server = await join(nats({ servers: `127.0.0.1:${port}`, waitForLink: true, ...options }));
    await until(() => sockets.length === 1);
    await server.close();
    await until(() => sockets.every(({ destroyed }) => destroyed));
    expect(sockets).toHaveLength(1);
  });

  test("falls silent lets go of the last socket when the server closes", async () => {
    const { port, sockets } = await listen((socket, count) => {
      if (count > 1) return;
      socket.write(`INFO ${INFO}}\r\n`);
      socket.on("data", (chunk) => {
        if (String(chunk).includes("PING")) socket.write("PONG\r\n");
      });
    });
    const server = await join(nats({ servers: `127.0.0.1:${port}`, reconnectTimeWait: 10, reconnectJitter: 1 }));
    expect(server.isReady).toBe(true);
    sockets[0]?.destroy();
    await until(() => sockets.length === 2);
    await server.close();
    await until(() => sockets.every(({ destroyed }) => destroyed));
  });

  test.each(endings)("%s does not hold the process", async (_case, greeting, options) => {
    const { port } = await listen((socket) => socket.write(greeting));
    const program = runCode(`
      import { serve } from "sendall";
      import { nats } from "sendall/nats";
      const cluster = nats({ servers: "127.0.0.1:${port}", timeout: 50, ...${JSON.stringify(options)} });
      await serve({ port: 0, logger: false, cluster, handler() {} }).catch(({ code }) => console.log(code));
    `);
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stdout: ["CLUSTER_UNAVAILABLE"] });
  });
});

describe("redis() at a port that", () => {
  test.each([
    ["says nothing", ""],
    ["speaks of something else", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ])("%s ends each socket that is of no use, and does not hold the process", async (_case, greeting) => {
    const { port, sockets } = await listen((socket) => socket.write(greeting));
    const program = runCode(`
      import { serve } from "sendall";
      import { redis } from "sendall/redis";
      const cluster = redis({ url: "redis://127.0.0.1:${port}", pingIntervalMs: 50 });
      await serve({ port: 0, logger: false, cluster, handler() {} }).catch(({ code }) => console.log(code));
    `);
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stdout: ["CLUSTER_UNAVAILABLE"] });
    await until(() => sockets.length > 0 && sockets.every(({ destroyed }) => destroyed));
    const server = await join(redis({ url: `redis://127.0.0.1:${port}`, pingIntervalMs: 50, waitForLink: true }));
    const before = sockets.length;
    await until(() => sockets.length > before + 2);
    await server.close();
    await until(() => sockets.every(({ destroyed }) => destroyed));
  });
});

describe("sockets that a client has opened", () => {
  test("end with their attempt or their link, and those of code that the client calls back do not", async () => {
    const { port, sockets } = await listen(() => {});
    const tracker = new SocketTracker();
    const dial = (): Socket => connect(port, "127.0.0.1").on("error", () => {});
    const callBack = untracked(() => {
      own = dial();
    });
    let own: Socket | undefined;
    const later = new Promise<void>((resolve) => setImmediate(resolve));
    const [first, second] = await tracker.track(async () => {
      callBack();
      const now = dial();
      await later;
      return [now, dial()] as const;
    });
    await until(() => sockets.length === 3);
    tracker.terminate();
    expect([first.destroyed, second.destroyed, own?.destroyed]).toEqual([true, true, false]);
    tracker.stop();
    const late = tracker.track(dial);
    await until(() => late.destroyed);
    expect(tracker.handshakeSignal().aborted).toBe(true);
    expect(own?.destroyed).toBe(false);
    own?.destroy();
  });
});
