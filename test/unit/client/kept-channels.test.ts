/** Channels of a session that the server keeps: what goes on, what is told anew, and the subscriptions that are kept like messages. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Channel, ChannelOptions, Client } from "../../../src/client.js";
import { ClientStage, type KeptWelcome, settle } from "./stage.js";

const OTHER = "zzzzzzzzzzzzzzzzzzzzzz";
const GONE_ON = { resumed: true, why: "resumed" };

let stage: ClientStage;
let client: Client;

beforeEach(() => {
  stage = new ClientStage();
  client = stage.connect({
    reconnect: { maxMs: 1_000, jitter: 0 },
    onOpen: ({ uncertain }) => stage.log.push(["open", ...uncertain]),
    onMessage: (data) => stage.log.push(data),
    onClose: ({ uncertain, unsent, willRetry }) => stage.log.push(["close", willRetry, uncertain, unsent]),
  });
});

/** A channel whose callbacks write the log. */
function open(name: string, options: ChannelOptions = {}): Channel {
  return client.channel(name, {
    onOpen: ({ resumed, why, uncertain }) => stage.log.push([`${name} open`, resumed, why, ...uncertain]),
    onMessage: (data) => stage.log.push(`${name}: ${data}`),
    onClose: ({ code, willRetry, uncertain, unsent }) =>
      stage.log.push([`${name} close`, code, willRetry, uncertain, unsent]),
    onError: (error) => stage.log.push(`${name} error: ${error.message}`),
    ...options,
  });
}

/** The socket is lost, and the client dials again. */
async function redial(code?: number): Promise<void> {
  if (code === undefined) stage.socket.fail();
  else stage.socket.end(code);
  await stage.pass(1_000);
  expect(client.state).toBe("connecting");
}

/** A server whose session has these numbers goes on with the session, or begins another. */
function welcome(details: Partial<KeptWelcome>): void {
  stage.socket.keep(details);
}

describe("a channel whose session goes on", () => {
  test("does not subscribe again and calls no callback but onMessage; its messages are kept, numbered and sent again", async () => {
    const ann = open("ann");
    welcome({});
    ann.send("1");
    client.send("2");
    stage.socket.message("~a1");
    stage.take();
    await redial();
    ann.send("3");
    expect([ann.state, client.pending]).toEqual(["connecting", 3]);
    expect(stage.take().filter((entry) => String(entry).includes("ann"))).toEqual([]);
    welcome({ ...GONE_ON, received: 2 });
    expect(stage.socket.sent).toEqual(["~a0", "2", "msg,ann,3"]);
    stage.socket.message("msg,ann,hi");
    await settle();
    expect([stage.take(), ann.state]).toEqual([[["open"], "ann: hi"], "open"]);
  });

  test("that was closed while there was no socket is ended on the server, behind what was sent before", async () => {
    const ann = open("ann");
    welcome({});
    await redial();
    client.send("before");
    ann.send("not sent");
    stage.take();
    ann.close();
    client.send("after");
    await settle();
    expect(stage.take()).toEqual([["ann close", 1000, false, [], ["not sent"]]]);
    welcome({ ...GONE_ON, received: 1 });
    expect(stage.socket.sent).toEqual(["~a0", "before", "uns,ann", "after"]);
  });

  test("that was opened while there was no socket subscribes in its turn, then opens for the first time", async () => {
    welcome({});
    await redial();
    client.send("before");
    const ann = open("ann", { onOpen: ({ resumed }) => stage.log.push("ann open", resumed, ann.send("login")) });
    ann.send("hello");
    await settle();
    stage.take();
    welcome(GONE_ON);
    expect(stage.socket.sent).toEqual(["~a0", "before", "sub,ann", "msg,ann,hello", "msg,ann,login"]);
    expect(stage.take()).toEqual([["open"], "ann open", false, true]);
    await ann.opened;
  });

  test("that was opened on a connection of a session that went on is greeted as new", async () => {
    welcome({});
    await redial();
    welcome(GONE_ON);
    stage.take();
    open("ann");
    await settle();
    expect(stage.take()).toEqual([["ann open", false, "new"]]);
  });

  test("is not held back by the bounds of the client, but what it sends is", async () => {
    client.close();
    client = stage.connect({ offline: { maxMessages: 0 }, reconnect: { jitter: 0 } });
    welcome({});
    stage.socket.fail();
    const ann = client.channel("ann");
    expect([ann.send("x"), client.pending]).toEqual([false, 1]);
    await stage.pass(1_000);
    welcome(GONE_ON);
    expect(stage.socket.sent).toEqual(["~a0", "sub,ann"]);
  });
});

describe("a channel whose session does not go on", () => {
  test("hears of the end of the last connection, subscribes again before everything else, and is told what is uncertain of its own", async () => {
    const ann = open("ann", {
      onOpen: ({ uncertain }) => {
        stage.log.push(["ann open", ...uncertain]);
        for (const data of uncertain) ann.send(data);
      },
    });
    const bob = open("bob");
    welcome({});
    ann.send("1");
    bob.send(new Uint8Array([2]));
    client.send("3");
    ann.send("4");
    stage.socket.message("~a3");
    await redial();
    ann.send("5");
    client.send("6");
    stage.take();
    welcome({ session: OTHER, why: "expired" });
    expect(stage.take()).toEqual([
      ["ann close", 1006, true, [], []],
      ["bob close", 1006, true, [], []],
      ["open", "3"],
      ["ann open", "4"],
      ["bob open", false, "expired", new Uint8Array([2])],
    ]);
    expect(stage.socket.sent).toEqual(["~a0", "sub,ann", "sub,bob", "msg,ann,4", "msg,ann,5", "6"]);
    stage.socket.message("~a5");
    expect(client.pending).toBe(0);
  });

  test("hears of the end at once if the close frame has a code", async () => {
    const ann = open("ann");
    welcome({});
    ann.send("1");
    stage.take();
    await redial(1013);
    expect(stage.take()).toEqual([
      ["ann close", 1013, true, [], []],
      ["close", true, [], []],
    ]);
    welcome({ session: OTHER });
    expect([stage.take(), stage.socket.sent]).toEqual([
      [["open"], ["ann open", false, "new", "1"]],
      ["~a0", "sub,ann"],
    ]);
  });

  test("hears of the end once, by the close frame that the client finds on its return", async () => {
    open("ann");
    welcome({});
    stage.take();
    await redial();
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    stage.take();
    stage.socket.end(1013);
    expect(stage.take()).toEqual([
      ["ann close", 1013, true, [], []],
      ["close", true, [], []],
    ]);
    await stage.pass(1_000);
    welcome({ session: OTHER });
    expect(stage.take()).toEqual([["open"], ["ann open", false, "new"]]);
  });

  test("sends no subscription or end of the session of before", async () => {
    const ann = open("ann");
    open("bob");
    welcome({});
    await redial();
    ann.close();
    open("cid").send("hello");
    welcome({ session: OTHER, why: "expired" });
    expect([stage.socket.sent, client.pending]).toEqual([["~a0", "sub,bob", "sub,cid", "msg,cid,hello"], 3]);
  });

  test("that is closed by a callback of the end does not subscribe, and has its uncertain messages in onClose", async () => {
    const ann = open("ann", {
      onClose: ({ willRetry, uncertain, unsent }) => {
        stage.log.push(["ann close", willRetry, uncertain, unsent]);
        ann.close();
      },
    });
    welcome({});
    ann.send("1");
    await redial();
    ann.send("2");
    stage.take();
    welcome({ session: OTHER, why: "expired" });
    await settle();
    expect(stage.take()).toEqual([["ann close", true, [], []], ["open"], ["ann close", false, ["1"], ["2"]]]);
    expect(stage.socket.sent).toEqual(["~a0"]);
  });
});

describe("the last onClose of a channel has what is uncertain and unsent of its own", () => {
  test("when the channel is closed; the rest of its messages is sent again all the same", async () => {
    const ann = open("ann");
    welcome({});
    ann.send("1");
    client.send("2");
    stage.take();
    ann.close();
    await settle();
    expect(stage.take()).toEqual([["ann close", 1000, false, ["1"], []]]);
    await redial();
    welcome({ ...GONE_ON, received: 1 });
    expect(stage.socket.sent).toEqual(["~a0", "msg,ann,1", "2", "uns,ann"]);
    await redial();
    stage.take();
    welcome({ session: OTHER, why: "expired" });
    expect(stage.take()).toEqual([["open", "2"]]);
  });

  test("when the server ends the channel", () => {
    const ann = open("ann");
    welcome({});
    ann.send("1");
    stage.take();
    stage.socket.message("uns,ann");
    expect(stage.take()).toEqual([["ann close", 1000, false, ["1"], []]]);
  });

  test("when the client ends while the session is away", async () => {
    const ann = open("ann");
    welcome({});
    ann.send("1");
    client.send("2");
    await redial();
    ann.send("3");
    client.send("4");
    stage.take();
    client.close();
    await settle();
    expect(stage.take()).toEqual([
      ["ann close", 1006, false, ["1"], ["3"]],
      ["close", false, ["2"], ["4"]],
    ]);
    expect(client.pending).toBe(0);
  });
});
