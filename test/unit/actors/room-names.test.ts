/** `connection.rooms`: what a program sees of the rooms, and cannot change. */
import { type Bus, type Connection, channels, type ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";

type Change = (rooms: Set<string>) => unknown;

const changes: readonly [what: string, change: Change][] = [
  ["add", (rooms) => rooms.add("b")],
  ["delete", (rooms) => rooms.delete("a")],
  ["clear", (rooms) => rooms.clear()],
];

describe.each(["a connection", "a subscription"])("the rooms of %s", (whose) => {
  test.each(changes)("refuse %s, and stay those of the members", async (_what, change) => {
    const seen: { connection?: Connection; bus?: Bus } = {};
    const handler = (event: ServerEvent, bus: Bus): void => {
      if (event.type !== "open") return;
      Object.assign(seen, { connection: event.connection, bus });
      event.connection.join("a");
    };
    await using runtime = createTestRuntime({
      handler: whose === "a connection" ? handler : channels({ news: handler }),
    });
    const client = await runtime.connect();
    if (whose === "a subscription") client.send("sub,news");
    await runtime.settle();
    const { connection, bus } = seen;
    if (connection === undefined || bus === undefined) throw new Error("no connection has opened");
    expect(() => change(connection.rooms as Set<string>)).toThrow("connection.join(room)");
    expect([[...connection.rooms], bus.members("a").length, bus.rooms()]).toEqual([["a"], 1, ["a"]]);
    expect([connection.join("b"), connection.leave("a"), [...connection.rooms]]).toEqual([true, true, ["b"]]);
    client.close();
    await runtime.settle();
    expect([bus.rooms(), runtime.server.stats().rooms]).toEqual([[], 0]);
  });
});
