/** Documents of the same protocol in each library: exact text, the official parser, and a validator that reads the frames of the wire. */
import { asyncapi } from "sendall/asyncapi";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LIBRARIES } from "./libraries.js";
import { frameReader, problemsOf } from "./validator.js";

const OPTIONS = { title: "Chat", version: "1.2.0", path: "/room/:name" };

const warnings: unknown[][] = [];

beforeEach(() => {
  vi.spyOn(process, "emitWarning").mockImplementation((...given: unknown[]) => void warnings.push(given));
});

afterEach(() => {
  vi.restoreAllMocks();
  warnings.length = 0;
});

describe.each(Object.entries(LIBRARIES))("the document of a protocol in %s", (library, chat) => {
  test("is the one in test/golden", async () => {
    const text = `${JSON.stringify(asyncapi(chat, OPTIONS), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`../../golden/asyncapi-${library}.json`);
  });

  test("passes the official parser without errors and warnings", async () => {
    expect(await problemsOf(asyncapi(chat, OPTIONS))).toEqual([]);
  });

  test("has a message for each frame that the protocol says", () => {
    const read = frameReader(asyncapi(chat, OPTIONS));
    expect(read(["say", { text: "hi" }])).toEqual(["say"]);
    expect(read(["typing"])).toEqual(["typing"]);
    expect(read(["mood"])).toEqual(["mood"]);
    expect(read(["mood", "lunch"])).toEqual(["mood"]);
    expect(read(["grow", { n: 1, kids: [{ n: 2, kids: [] }] }])).toEqual(["grow"]);
    expect(read(["join", { room: "lobby" }, 1])).toEqual(["join"]);
    expect(read(["who", 2])).toEqual(["who"]);
    expect(read(["count", 3])).toEqual(["count"]);
    expect(read(["count", 5, 3])).toEqual(["count"]);
    expect(read([7, { members: 1 }])).toContain("join.answer");
    expect(read([7])).toContain("count.answer");
    expect(read([7, null, { reason: "FULL", message: "the room is full", data: 3 }])).toEqual(["callRefused"]);
    expect(read(["!", { reason: "INVALID_MESSAGE", issues: [{ path: "", message: "?" }] }])).toEqual([
      "messageRefused",
    ]);
    const { said, moved } = chat.fromServer;
    expect(read(JSON.parse(said({ nick: "ann", text: "hi" })))).toEqual(["said"]);
    expect(read(JSON.parse(moved(["ann", 3])))).toEqual(["moved"]);
  });

  test("has no message for frames that the protocol does not say", () => {
    const read = frameReader(asyncapi(chat, OPTIONS));
    const frames = [
      ["say", { text: 1 }],
      ["say"],
      ["say", { text: "hi" }, 7],
      ["mood", 1],
      ["grow", { n: 1, kids: [{ n: "2", kids: [] }] }],
      ["join", { room: "lobby" }],
      ["join", { room: "lobby" }, -1],
      ["join", { room: "lobby" }, 0.5],
      ["who"],
      ["count", "5", 3],
      ["said", { nick: "ann" }],
      ["moved", ["ann", "3"]],
      ["nothing", {}],
      [7, null, { message: "no reason" }],
      ["!", { reason: "INVALID_MESSAGE", issues: [{ path: "" }] }],
      {},
    ];
    expect(frames.filter((frame) => read(frame).length > 0)).toEqual([]);
  });
});
