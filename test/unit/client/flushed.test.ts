/** `client.flushed()`: when the promise settles, and how often the server is asked. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Client, ConnectOptions } from "../../../src/client.js";
import { ClientStage, settle } from "./stage.js";

const OTHER = "zzzzzzzzzzzzzzzzzzzzzz";

let stage: ClientStage;

beforeEach(() => {
  stage = new ClientStage();
});

function connect(options: ConnectOptions = {}): Client {
  return stage.connect({ reconnect: { maxMs: 1_000, jitter: 0 }, ...options });
}

/** Notes in the log how the promise settles. */
function flush(client: Client, name = "flushed"): void {
  client.flushed().then(
    () => stage.log.push(name),
    (error) => stage.log.push([name, error.code]),
  );
}

async function log(): Promise<unknown[]> {
  await settle();
  return stage.take();
}

const questions = (): number => stage.socket.sent.filter((frame) => frame === "~h").length;

describe("in a session that is kept, flushed", () => {
  test("asks at once, and resolves when everything is acknowledged", async () => {
    const client = connect();
    stage.socket.keep();
    client.send("1");
    client.send("2");
    await log();
    flush(client);
    expect([stage.socket.sent, await log()]).toEqual([["~a0", "1", "2", "~h"], []]);
    stage.socket.message("~a1");
    expect(await log()).toEqual([]);
    stage.socket.message("~a2");
    expect(await log()).toEqual(["flushed"]);
  });

  test("resolves at once and asks nothing when everything is acknowledged", async () => {
    const client = connect();
    stage.socket.keep();
    client.send("1");
    stage.socket.message("~a1");
    await log();
    flush(client);
    expect([await log(), questions()]).toEqual([["flushed"], 0]);
  });

  test("asks at most once a second, and not again before the server has said something", async () => {
    const client = connect();
    stage.socket.keep();
    client.send("1");
    flush(client, "first");
    flush(client, "second");
    await stage.pass(5_000);
    expect(questions()).toBe(1);
    stage.socket.message("~h");
    expect(questions()).toBe(2);
    stage.socket.message("~h");
    await stage.pass(999);
    expect(questions()).toBe(2);
    await stage.pass(1);
    expect(questions()).toBe(3);
    stage.socket.message("~a1");
    await log();
    client.send("2");
    flush(client, "third");
    await stage.pass(999);
    expect(questions()).toBe(3);
    await stage.pass(1);
    expect(questions()).toBe(4);
    stage.socket.message("~a2");
    expect(await log()).toEqual(["third"]);
  });

  test("outlives the socket: what waits and what is sent again is awaited, too", async () => {
    const client = connect();
    flush(client, "nothing was sent");
    expect(await log()).toEqual(["nothing was sent"]);
    client.send("1");
    flush(client);
    stage.socket.keep();
    await stage.pass(1_000);
    expect(questions()).toBe(1);
    stage.socket.fail();
    client.send("2");
    await stage.pass(1_000);
    stage.take();
    stage.socket.keep({ resumed: true, why: "resumed", received: 1 });
    await stage.pass(1_000);
    expect([stage.socket.sent, stage.take()]).toEqual([["~a0", "2", "~h"], ["open"]]);
    stage.socket.message("~a2");
    expect(await log()).toEqual(["flushed"]);
  });

  test("resolves with the welcome that acknowledges everything", async () => {
    const client = connect();
    stage.socket.keep();
    client.send("1");
    flush(client);
    stage.socket.fail();
    await stage.pass(1_000);
    stage.take();
    stage.socket.keep({ resumed: true, why: "resumed", received: 1 });
    expect(await log()).toEqual(["open", "flushed"]);
  });

  test.each([false, true])(
    "after a fresh session awaits what onOpen sends again (%o), no message that is uncertain",
    async (again) => {
      const client = connect();
      stage.socket.keep();
      client.send("1");
      flush(client);
      client.on("open", ({ uncertain }) => {
        if (again) for (const data of uncertain) client.send(data);
      });
      stage.socket.fail();
      await stage.pass(1_000);
      stage.take();
      stage.socket.keep({ session: OTHER, why: "expired" });
      expect(await log()).toEqual(again ? ["open"] : ["open", "flushed"]);
      if (again) stage.socket.message("~a1");
      expect(await log()).toEqual(again ? ["flushed"] : []);
    },
  );

  test.each<[string, (client: Client) => void]>([
    ["the client is closed", (client) => client.close()],
    ["the server is done with the client", () => stage.socket.end(1008)],
  ])("rejects with CLOSED when %s", async (_what, end) => {
    const client = connect();
    stage.socket.keep();
    client.send("1");
    flush(client);
    await log();
    end(client);
    expect(await log()).toContainEqual(["flushed", "CLOSED"]);
    expect(stage.waits).toEqual([]);
    flush(client, "later");
    expect(await log()).toEqual([["later", "CLOSED"]]);
  });
});

describe.each<[string, () => void]>([
  ["plain", () => stage.socket.accept()],
  ["with a server that keeps nothing", () => stage.socket.welcome()],
])("on a connection that is %s, flushed", (_what, accept) => {
  test("resolves when nothing waits and the socket has sent everything, and asks nothing", async () => {
    const client = connect();
    client.send("1");
    flush(client);
    await stage.pass(500);
    expect(await log()).toEqual([]);
    stage.socket.bufferedAmount = 10;
    accept();
    await stage.pass(500);
    stage.socket.bufferedAmount = 1;
    await stage.pass(1_000);
    expect(await log()).toEqual(["open"]);
    stage.socket.bufferedAmount = 0;
    await stage.pass(100);
    expect([await log(), stage.socket.sent, stage.waits]).toEqual([["flushed"], ["1"], []]);
  });

  test("rejects with CLOSED when the client ends first", async () => {
    const client = connect({ reconnect: false });
    client.send("1");
    stage.socket.bufferedAmount = 10;
    accept();
    flush(client);
    stage.socket.fail();
    expect(await log()).toContainEqual(["flushed", "CLOSED"]);
    expect(stage.waits).toEqual([]);
  });
});
