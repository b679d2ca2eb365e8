/** Every adapter of ours keeps the contract that others are given to test theirs with. */

import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { ClusterAdapter } from "sendall";
import { memory, testClusterAdapter } from "sendall/testing/cluster-adapter";
import { afterEach, describe, test } from "vitest";
import { WorkerHub } from "../../src/cluster/engines/worker-hub.js";
import { workersOver } from "../../src/cluster/engines/worker-link.js";
import type { Port } from "../../src/cluster/engines/worker-protocol.js";
import { Engine, NATS, REDIS, REDIS_BY_RESP2 } from "../e2e/engines.js";
import { requires } from "../e2e/requires.js";

describe("memory", () => {
  const clusters = new Map<string, ClusterAdapter>();
  testClusterAdapter({
    test,
    create: (name) => {
      const adapter = clusters.get(name) ?? memory();
      clusters.set(name, adapter);
      return adapter;
    },
  });
});

describe.each([
  ["nats", NATS],
  ["redis", REDIS],
  ["redis by RESP2", REDIS_BY_RESP2],
] as const)("%s", (_name, kind) => {
  const { skip } = requires(kind.name);
  let engine: Engine;
  testClusterAdapter({
    test: (title, run) =>
      test.skipIf(skip)(title, async () => {
        engine = await Engine.start(kind);
        await run();
      }),
    create: (prefix) => engine.adapter({ prefix }),
  });
});

/** Each node is a worker with a channel of its own, as between processes: what goes through it is copied. */
describe("workers", () => {
  const clusters = new Map<string, WorkerHub>();
  const channels: MessageChannel[] = [];
  afterEach(() => {
    for (const { port1 } of channels.splice(0)) port1.close();
  });
  testClusterAdapter({
    test,
    create: (name) => {
      const hub = clusters.get(name) ?? new WorkerHub();
      clusters.set(name, hub);
      const channel = new MessageChannel();
      channels.push(channel);
      hub.add(portOf(channel.port1));
      return workersOver(portOf(channel.port2), "sendall");
    },
  });
});

function portOf(port: MessagePort): Port {
  return {
    send(message, sent) {
      port.postMessage(message);
      setImmediate(sent);
    },
    listen(listener) {
      port.on("message", listener);
      return () => port.off("message", listener);
    },
  };
}
