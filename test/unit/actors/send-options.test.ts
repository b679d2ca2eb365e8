/** The options of a send, on every verb that takes some: whatever is not understood reaches no connection. */
import { type Bus, channels, noreply, perConnection, type RoomOption } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";

type Verb = (options: unknown) => void;

/** The verbs of every kind of bus, and what two connections have received. */
async function everyVerb(): Promise<{ verbs: Record<string, Verb>; received: () => readonly string[] }> {
  const buses: Record<string, Pick<Bus, "broadcast" | "sendall">> = {};
  const runtime = createTestRuntime({
    routes: {
      "/plain": {
        handler(event, bus) {
          if (event.type === "open") buses.bus = bus;
        },
      },
      "/each": {
        handler: perConnection({
          init(_connection, bus) {
            buses["bus of a connection"] = bus;
          },
          handle: (_message, state) => noreply(state),
        }),
      },
      "/many": {
        handler: channels({
          news(event, bus) {
            if (event.type === "open") buses["bus of a channel"] = bus;
          },
        }),
      },
    },
  });
  const clients = [await runtime.connect({ path: "/plain" }), await runtime.connect({ path: "/each" })];
  const reader = await runtime.connect({ path: "/many" });
  reader.send("sub,news");
  await runtime.settle();
  buses.server = runtime.server;
  buses.route = runtime.server.route("/plain");
  const verbs = Object.entries(buses).flatMap(([name, bus]): [string, Verb][] => [
    [`sendall of the ${name}`, (options) => bus.sendall("x", options as RoomOption)],
    [`broadcast of the ${name}`, (options) => bus.broadcast("x", "nobody", options as RoomOption)],
  ]);
  expect(verbs.length).toBe(10);
  return {
    verbs: Object.fromEntries(verbs),
    received: () => [...clients, reader].flatMap((client) => client.take()).map(String),
  };
}

describe("the options of a send", () => {
  test.each<[what: string, options: unknown, code: string, text: string]>([
    ["a room that is undefined", { room: undefined }, "BAD_ROOM", "got undefined"],
    ["a room that is null", { room: null }, "BAD_ROOM", "got null"],
    ["an empty name", { room: "" }, "BAD_ROOM", 'got ""'],
    ["a list with a room that is undefined", { room: ["a", undefined] }, "BAD_ROOM", "got undefined"],
    ["a misspelt room", { rooms: "a" }, "BAD_OPTION", '"rooms"'],
    ["a room and another option", { room: "a", except: "b" }, "BAD_OPTION", '"except"'],
    ["the name of a room", "lobby", "BAD_OPTION", '{ room }, got "lobby"'],
    ["a list of rooms", ["lobby"], "BAD_OPTION", "{ room }"],
    ["null", null, "BAD_OPTION", "{ room }, got null"],
    ["a number", 5, "BAD_OPTION", "{ room }, got 5"],
    ["a connection", { id: "c1" }, "BAD_OPTION", "{ room }"],
  ])("%s is refused by every verb, and no connection gets the message", async (_what, options, code, text) => {
    const { verbs, received } = await everyVerb();
    received();
    for (const verb of Object.values(verbs)) {
      expect(() => verb(options)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
    }
    expect(received()).toEqual([]);
  });

  test("no options, and options without a room, mean every connection", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const client = await runtime.connect();
    expect([runtime.server.sendall("a").queued, runtime.server.sendall("b", {} as RoomOption).queued]).toEqual([1, 1]);
    await runtime.settle();
    expect(client.take()).toEqual(["a", "b"]);
  });

  test("a list without rooms means no connection", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    await runtime.connect();
    expect(runtime.server.sendall("a", { room: [] }).targeted).toBe(0);
  });

  test("the compiler refuses a room that may be undefined, and unknown options", () => {
    const uses = (bus: Bus, room: string | undefined): void => {
      // @ts-expect-error a room that may be undefined
      bus.sendall("x", { room });
      // @ts-expect-error a misspelt room
      bus.broadcast("x", "id", { rooms: "a" });
      // @ts-expect-error the name of a room is no options
      bus.sendall("x", "lobby");
      if (room !== undefined) bus.sendall("x", { room });
    };
    expect(uses).toBeTypeOf("function");
  });
});
