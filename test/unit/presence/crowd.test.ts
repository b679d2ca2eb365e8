/** A crowd in one room of two nodes: what travels between the nodes, and what the members hear. */
import type { ClusterAdapter, Connection } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { expect, onTestFinished, test } from "vitest";

/** Counts the packets by subject. */
function counted(adapter: ClusterAdapter, packets: Map<string, number>): ClusterAdapter {
  return {
    name: adapter.name,
    open(node) {
      const link = adapter.open(node);
      if (link instanceof Promise) throw new Error("the cluster in memory opens at once");
      return {
        maxPacketBytes: link.maxPacketBytes,
        publish(subject, packet) {
          packets.set(subject, (packets.get(subject) ?? 0) + 1);
          return link.publish(subject, packet);
        },
        flush: () => link.flush(),
        subscribe: (subjects) => link.subscribe(subjects),
        unsubscribe: (subjects) => link.unsubscribe(subjects),
        close: () => link.close(),
      };
    },
  };
}

test("10,000 in a room, and 100 a second who join in a turn, cost a packet a turn, and the members a count a second", async () => {
  const packets = new Map<string, number>();
  const cluster = counted(memory(), packets);
  const waiting: Connection[] = [];
  const start = () => {
    const runtime = createTestRuntime({
      cluster,
      presence: { notice: ({ type, count }) => `${type} ${count}` },
      handler(event, bus) {
        if (event.type === "open" && event.connection.path === "/now") event.connection.join("hall");
        else if (event.type === "open") waiting.push(event.connection);
        if (event.type === "info")
          for (const connection of waiting.splice(0, Number(event.data))) bus.join(connection, "hall");
      },
    });
    onTestFinished(() => runtime.close());
    return runtime;
  };
  const [a, b] = [start(), start()];
  const ann = await b.connect({ path: "/now" });
  await Promise.all(Array.from({ length: 10_500 }, () => a.connect()));
  a.server.tell(10_000);
  await b.settle();
  await b.advance(2_000);
  expect(b.server.presentCount("hall")).toEqual({ keys: 10_001, connections: 10_001 });
  expect(b.server.present("hall").length).toBe(1_000);

  packets.clear();
  const before = ann.received.length;
  for (let second = 0; second < 5; second++) {
    a.server.tell(100);
    await b.advance(1_000);
  }
  expect(ann.received.slice(before)).toEqual([10_101, 10_201, 10_301, 10_401, 10_501].map((count) => `count ${count}`));
  expect([...packets].filter(([subject]) => subject.startsWith("@room"))).toEqual([[expect.any(String), 5]]);
  expect(b.server.presentCount("hall").keys).toBe(10_501);
});
