/** Every example, started as `npm run example <name>` starts it, and talked to. */
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { connect, holdPort, type Program, start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

/** Starts an example on a free port; resolves with the address that it prints. */
async function startExample(name: string): Promise<{ program: Program; url: string }> {
  const program = start("examples/run.js", [name], { env: { PORT: "0" } });
  const [, url = ""] = await program.stdout.next(/^[A-Z]\w+: ((?:ws|http):\S+)$/);
  return { program, url };
}

/** Sends bytes that are no frame over a connection that was upgraded by hand (RFC 6455 section 4.1). */
async function sendGarbage(url: string): Promise<void> {
  const { hostname, port, host } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13`;
  socket.write(`${head}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  await once(socket, "data");
  socket.end(Buffer.from([0xff, 0xff]));
  socket.resume();
}

describe("the echo example", () => {
  it("sends every message back to its sender alone", async () => {
    const { url } = await startExample("echo");
    const [ann, bob] = [await connect(url), await connect(url)];
    ann.send("hello");
    ann.send(Buffer.from([1, 2, 3]));
    expect([await ann.next(), await ann.next()]).toEqual(["hello", Buffer.from([1, 2, 3])]);
    bob.send("mine");
    expect(await bob.next()).toBe("mine");
  });
});

describe("the counter example", () => {
  it("counts the messages of all connections, tells everybody, and says at the end how many there were", async () => {
    const { program, url } = await startExample("counter");
    const ann = await connect(url);
    expect(await ann.next()).toBe("0 so far");
    ann.send("x");
    expect(await ann.next()).toBe("1");
    const bob = await connect(url);
    expect(await bob.next()).toBe("1 so far");
    bob.send("x");
    expect([await ann.next(), await bob.next()]).toEqual(["2", "2"]);
    program.kill("SIGTERM");
    expect((await program.ended).stdout).toContain("Counted 2");
  });
});

describe("the general example", () => {
  it("prints every event and what it carries", async () => {
    const { program, url } = await startExample("general");
    const client = await connect(`${url}?idle=60000&after=1`);
    await program.stdout.next(/ open \{$/);
    await program.stdout.next(/query: 'idle=60000&after=1'/);
    await program.stdout.next(/^- info { data: { connections: 1 } }$/);
    await program.stdout.next(/ info { data: 'you are still here' }$/);
    expect(await client.next()).toBe("you are still here");
    client.send("hello");
    await program.stdout.next(/ message { data: 'hello', text: 'hello' }$/);
    expect(await client.next()).toBe("got 5 characters");
    client.socket.close(4001, "enough");
    await program.stdout.next(/ closed { code: 4001, reason: 'enough', wasClean: true, by: 'peer' }$/);
  });

  it("prints silence and errors too", async () => {
    const { program, url } = await startExample("general");
    const sleeper = await connect(`${url}?idle=1`);
    await program.stdout.next(/ idle {}$/);
    expect(await sleeper.next()).toBe("are you asleep?");
    await sendGarbage(url);
    await program.stdout.next(/ error { error: '.+' }$/);
    await program.stdout.next(/ closed /);
  });
});

describe("the chat example", () => {
  it("serves its page and its socket on one port", async () => {
    const { url } = await startExample("chat");
    const page = await fetch(url);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    const client = await connect(new URL("/chat", url).href.replace("http", "ws"));
    expect(JSON.parse(String(await client.next()))).toMatchObject({ type: "rooms" });
  });
});

describe("every example", () => {
  const NAMES = ["chat", "counter", "echo", "general"];

  it.each(NAMES)("leaves on a signal, with everybody told: %s", async (name) => {
    const { program, url } = await startExample(name);
    const client = await connect(new URL(name === "chat" ? "/chat" : "/", url).href.replace("http", "ws"));
    program.kill("SIGINT");
    expect((await client.closed).code).toBe(1001);
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
  });

  it.each(NAMES)("says in one line that its port is in use: %s", async (name) => {
    const port = await holdPort();
    const program = start("examples/run.js", [name], { env: { PORT: String(port) } });
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
  });

  it.each([
    ["no name", [], "Name an example"],
    ["an unknown name", ["../test"], `There is no example "../test"`],
  ])("is listed when npm run example gets %s", async (_case, args, problem) => {
    const { code, stdout, stderr } = await start("examples/run.js", args).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: [] });
    const all = "chat, counter, cursors, echo, express, fastify, general, hono, http, sockjs, tls";
    expect(stderr).toEqual([`${problem}; there are ${all}`]);
  });
});
