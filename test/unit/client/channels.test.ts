/** Channels over one client: the wire of `channels({...})` from the client's side, and what a lost connection does to them. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Channel, ChannelOptions, Client } from "../../../src/client.js";
import { ClientStage, settle } from "./stage.js";

let stage: ClientStage;
let client: Client;

beforeEach(() => {
  stage = new ClientStage();
  client = stage.connect();
});

/** A channel whose callbacks write the log. */
function open(name: string, options: ChannelOptions = {}): Channel {
  return client.channel(name, {
    onOpen: () => stage.log.push(`${name} open`),
    onMessage: (data) => stage.log.push(`${name}: ${data}`),
    onClose: ({ code, reason, willRetry }) => stage.log.push([name, code, reason, willRetry]),
    onError: (error) => stage.log.push(`${name} error: ${error.message}`),
    ...options,
  });
}

describe("a channel", () => {
  test("subscribes as soon as there is a connection, and speaks and hears under its name", async () => {
    const ann = open("ann");
    expect([ann.name, ann.state]).toEqual(["ann", "connecting"]);
    stage.socket.accept();
    await ann.opened;
    expect(ann.state).toBe("open");
    expect(ann.send("hello, world")).toBe(true);
    stage.socket.message("msg,ann,a,b,c");
    stage.socket.message("msg,ann,");
    stage.socket.message("msg,ann,two\nlines");
    expect(stage.socket.sent).toEqual(["sub,ann", "msg,ann,hello, world"]);
    expect(stage.take()).toEqual(["open", "ann open", "ann: a,b,c", "ann: ", "ann: two\nlines"]);
  });

  test("that is asked for on an open connection opens after the call, before its first message", async () => {
    stage.socket.accept();
    stage.take();
    const ann = open("ann");
    const bob = open("bob");
    expect([stage.socket.sent, stage.take()]).toEqual([["sub,ann", "sub,bob"], []]);
    stage.socket.message("msg,bob,first");
    expect(stage.take()).toEqual(["bob open", "bob: first"]);
    await settle();
    expect([stage.take(), ann.state, bob.state]).toEqual([["ann open"], "open", "open"]);
  });

  test("carries bytes as binary messages, and text as text", () => {
    const seen: unknown[] = [];
    const ann = client.channel("änn", { onMessage: (data) => seen.push(data) });
    ann.send(new Uint8Array([0, 44, 255]));
    ann.send(new Uint8Array([1]).buffer);
    stage.socket.accept();
    const head = [...Buffer.from("msg,änn,")];
    expect(stage.socket.sent.slice(1)).toEqual([new Uint8Array([...head, 0, 44, 255]), new Uint8Array([...head, 1])]);
    stage.socket.message(new Uint8Array([...head, 9, 44, 8]).buffer);
    stage.socket.message(new Uint8Array(head).buffer);
    expect(seen).toEqual([new Uint8Array([9, 44, 8]), new Uint8Array([])]);
  });

  test("lives on when the server answers what it sent before its predecessor's end was known", () => {
    const ann = open("ann");
    stage.socket.accept();
    ann.send("in flight");
    stage.socket.message("uns,ann");
    const again = open("ann");
    stage.take();
    stage.socket.message("err,ann,not subscribed");
    stage.socket.message("err,ann,subscribed already");
    stage.socket.message("msg,ann,hi");
    expect([again.state, stage.take()]).toEqual(["open", ["ann open", "ann: hi"]]);
  });

  test("leaves everything else to the client", () => {
    open("ann");
    stage.socket.accept();
    stage.take();
    const others = [
      "msg,bob,x",
      "uns,bob",
      "err,bob,unknown",
      "err,,what?",
      "msg",
      "msg,ann",
      "hello,ann,x",
      "sub,ann",
      "",
    ];
    for (const text of others) stage.socket.message(text);
    const bytes = ["x", "msg,bob,x", "msg,ann", "uns,ann", "err,ann,x"].map((text) => new TextEncoder().encode(text));
    for (const data of bytes) stage.socket.message(data.buffer);
    expect(stage.take()).toEqual([...others, ...bytes].map((data) => ["message", data]));
  });

  test("shares the offline queue and its bound with the client; subscriptions go first and do not count", () => {
    const small = stage.connect({ offline: { maxMessages: 3 } });
    const ann = small.channel("ann");
    expect([ann.send("1"), small.send("2"), ann.send("3"), ann.send("4"), small.send("5")]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    const bob = small.channel("bob", { onOpen: () => bob.send("now") });
    stage.socket.accept();
    expect(stage.socket.sent).toEqual(["sub,ann", "sub,bob", "msg,bob,now", "msg,ann,1", "2", "msg,ann,3"]);
  });

  test("subscribes again by itself, and opens again", async () => {
    const ann = open("ann");
    stage.socket.accept();
    stage.socket.end(1001, "restart");
    expect(ann.state).toBe("waiting");
    ann.send("meanwhile");
    await stage.pass(1000);
    stage.socket.accept();
    expect(stage.socket.sent).toEqual(["sub,ann", "msg,ann,meanwhile"]);
    expect(stage.take()).toEqual([
      "open",
      "ann open",
      ["ann", 1001, "restart", true],
      ["close", 1001, true],
      "open",
      "ann open",
    ]);
  });

  test("ends alone, and messages that still come for it reach no callback", async () => {
    const ann = open("ann");
    open("bob");
    stage.socket.accept();
    stage.take();
    expect([ann.close(), ann.close(), ann.send("x"), ann.state]).toEqual([true, false, false, "closed"]);
    stage.socket.message("msg,ann,late");
    stage.socket.message("msg,bob,hi");
    await settle();
    expect(stage.socket.sent.slice(2)).toEqual(["uns,ann"]);
    expect(stage.take()).toEqual(["bob: hi", ["ann", 1000, "", false]]);
    expect(client.state).toBe("open");
  });

  test("that has ended means nothing to a later connection: its name is the client's again", async () => {
    const ann = open("ann");
    stage.socket.accept();
    ann.close();
    stage.socket.end(1001);
    await stage.pass(1000);
    stage.socket.accept();
    stage.take();
    stage.socket.message("msg,ann,x");
    expect(stage.take()).toEqual([["message", "msg,ann,x"]]);
  });

  test("that ended is not subscribed to again, and its name is free", async () => {
    open("ann").close();
    stage.socket.accept();
    expect(stage.socket.sent).toEqual([]);
    const again = open("ann");
    expect(stage.socket.sent).toEqual(["sub,ann"]);
    await again.opened;
  });

  test("discards the messages that wait in it when it ends", () => {
    const ann = open("ann");
    ann.send("a");
    client.send("b");
    ann.close();
    stage.socket.accept();
    expect(stage.socket.sent).toEqual(["b"]);
  });

  test.each([
    ["a session, whose server keeps count", () => stage.socket.welcome(), []],
    ["a plain socket, whose server is told", () => stage.socket.accept(), ["uns,ann"]],
  ])("is ended by the server's uns on %s", (_what, accept, told) => {
    const ann = open("ann");
    accept();
    stage.take();
    stage.socket.message("uns,ann");
    stage.socket.message("msg,ann,late");
    expect([ann.state, ann.send("x"), stage.take()]).toEqual(["closed", false, [["ann", 1000, "", false]]]);
    expect(stage.socket.sent).toEqual(["sub,ann", ...told]);
  });

  test("is ended by a refusal, with its reason", () => {
    const ann = open("ann");
    stage.socket.accept();
    stage.take();
    stage.socket.message("err,ann,no such channel, sorry");
    expect(ann.state).toBe("closed");
    expect(stage.take()).toEqual([
      'ann error: the channel "ann" was refused: no such channel, sorry',
      ["ann", 1006, "no such channel, sorry", false],
    ]);
  });

  test("ends with its client, before it, and rejects opened if it never was", async () => {
    const ann = open("ann");
    client.close();
    expect(ann.state).toBe("closing");
    await settle();
    expect([ann.state, stage.take()]).toEqual([
      "closed",
      [
        ["ann", 1006, "", false],
        ["close", 1006, false],
      ],
    ]);
    await expect(ann.opened).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("of a client that has closed is closed, and says so after the call", async () => {
    client.close();
    await settle();
    stage.take();
    const ann = open("ann");
    expect([ann.send("x"), stage.take()]).toEqual([false, []]);
    await settle();
    expect([ann.state, stage.take()]).toEqual(["closed", [["ann", 1006, "", false]]]);
  });

  test("does not open when the client is closed by somebody's onOpen", async () => {
    const other = stage.connect({ onOpen: () => void other.close() });
    const seen: string[] = [];
    other.channel("ann", { onOpen: () => seen.push("open"), onClose: () => seen.push("close") });
    stage.socket.accept();
    await settle();
    expect(seen).toEqual(["close"]);
  });

  test("tells the client's onError what its callbacks throw, if it has none of its own", () => {
    const ann = client.channel("ann", {
      onMessage() {
        throw new Error("oops");
      },
    });
    stage.socket.accept();
    stage.take();
    stage.socket.message("msg,ann,x");
    expect([stage.take(), ann.state]).toEqual([[["error", "CALLBACK_FAILED"]], "open"]);
  });

  test("needs no callbacks, and says failures to the console when nobody listens at all", () => {
    const spoken = vi.spyOn(console, "error").mockImplementation(() => {});
    const bare = new ClientStage();
    const quiet = bare.connect();
    quiet.channel("ann");
    bare.socket.accept();
    bare.socket.message("msg,ann,x");
    bare.socket.message("err,ann,x");
    expect(spoken).not.toHaveBeenCalled();
    spoken.mockRestore();
  });
});

describe("bad input", () => {
  test("a name of more than 1,024 characters is refused", () => {
    expect(() => client.channel("x".repeat(1_025))).toThrow(
      expect.objectContaining({
        code: "BAD_CHANNEL",
        message: expect.stringContaining("expected a name of 1 to 1024 characters"),
      }),
    );
    expect(client.channel("x".repeat(1_024)).state).toBe("connecting");
  });

  test.each<unknown>(["", "a,b", ",", 5, null, undefined])("the name %j is refused", (name) => {
    // @ts-expect-error it is not what the type asks for
    expect(() => client.channel(name)).toThrow(expect.objectContaining({ code: "BAD_CHANNEL" }));
  });

  test("a name that is taken is refused, and the channel lives on", () => {
    const ann = open("ann");
    expect(() => open("ann")).toThrow(/which no open channel has, got "ann"/);
    stage.socket.accept();
    expect([ann.state, stage.socket.sent]).toEqual(["open", ["sub,ann"]]);
  });

  test("wrong options are refused, and nothing is opened", () => {
    const wrong = { onmessage: () => {} };
    expect(() => client.channel("ann", wrong as object)).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", option: "onmessage" }),
    );
    stage.socket.accept();
    expect(stage.socket.sent).toEqual([]);
  });

  test.each<unknown>([5, null, {}])("%o is no message for a channel", (data) => {
    // @ts-expect-error it is not what the type asks for
    expect(() => open("ann").send(data)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  });
});
