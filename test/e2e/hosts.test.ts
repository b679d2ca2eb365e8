/** The examples with a host of their own, and the one with TLS: each is started as a program, and its host's routes and our sockets are talked to. */
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connect, holdPort, type Program, start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

/** Starts an example on a free port; resolves with what it is at. */
async function startExample(name: string): Promise<{ program: Program; url: string; sockets: string }> {
  const program = start("examples/run.js", [name], { env: { PORT: "0" } });
  const [, url = ""] = await program.stdout.next(/^[A-Z]\w+: ((?:http|wss):\S+)$/);
  return { program, url, sockets: url.replace("http", "ws") };
}

async function get(url: string, init?: RequestInit): Promise<[number, string]> {
  const answer = await fetch(url, init);
  return [answer.status, await answer.text()];
}

/** The status with which an upgrade is refused. */
async function refusal(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url);
  const [, answer] = await once(socket, "unexpected-response");
  answer.resume();
  return answer.statusCode;
}

describe("the http example", () => {
  test("has its own pages, our files and our sockets", async () => {
    const { url, sockets } = await startExample("http");
    const client = await connect(`${sockets}chat`);
    expect(JSON.parse(String(await client.next()))).toEqual(["rooms", expect.any(Array)]);
    expect(await get(`${url}rooms`)).toEqual([200, expect.stringMatching(/^\[.*\]$/)]);
    expect((await get(url))[1]).toContain("<html");
    expect((await get(`${url}sendall/client.js`))[0]).toBe(200);
    expect(await get(`${url}missing`)).toEqual([404, "there is no such page"]);
    expect(await refusal(`${sockets}elsewhere`)).toBe(404);
  });
});

describe("the express example", () => {
  test("has one login for its routes and our sockets", async () => {
    const { url, sockets } = await startExample("express");
    expect((await get(`${url}me`))[0]).toBe(401);
    expect(await refusal(`${sockets}chat`)).toBe(401);
    const login = await fetch(`${url}login?name=ann`, { method: "POST" });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    expect(await get(`${url}me`, { headers: { cookie } })).toEqual([200, '{"name":"ann"}']);
    const socket = new WebSocket(`${sockets}chat`, { headers: { cookie } });
    await once(socket, "open");
    socket.send("hello");
    expect(String((await once(socket, "message"))[0])).toBe("ann: hello");
    socket.terminate();
    expect((await get(url))[1]).toContain("<h1>Express</h1>");
    expect((await get(`${url}missing`))[0]).toBe(404);
    expect(await refusal(`${sockets}elsewhere`)).toBe(404);
  });

  test("names what a login has to bring", async () => {
    const { url } = await startExample("express");
    for (const query of ["", "?name=", "?name=%20", "?name=a&name=b"])
      expect(await get(`${url}login${query}`, { method: "POST" })).toEqual([400, "expected /login?name=…"]);
  });
});

describe("the fastify example", () => {
  test("sends what is posted to its route to every socket", async () => {
    const { url, sockets } = await startExample("fastify");
    const client = await connect(`${sockets}news`);
    expect(await client.next()).toBe("1 here");
    const said = await get(`${url}say`, {
      method: "POST",
      body: "hear, hear",
      headers: { "content-type": "text/plain" },
    });
    expect([said[0], JSON.parse(said[1])]).toEqual([200, expect.objectContaining({ targeted: 1, queued: 1 })]);
    expect(await client.next()).toBe("hear, hear");
    expect((await get(url))[1]).toContain("<h1>Fastify</h1>");
    expect(await get(`${url}missing`)).toEqual([404, "there is no such page\n"]);
    expect(await refusal(`${sockets}elsewhere`)).toBe(404);
  });
});

describe("the hono example", () => {
  test("has its own page, which says where our sockets are", async () => {
    const { url, sockets } = await startExample("hono");
    expect(await get(url)).toEqual([200, `0 here\nTo come in: npx sendall connect ${sockets}echo\n`]);
    const client = await connect(`${sockets}echo`);
    client.send("hello");
    expect(await client.next()).toBe("hello");
    expect((await get(url))[1]).toMatch(/^1 here\n/);
    expect((await get(`${url}missing`))[0]).toBe(404);
    expect(await refusal(`${sockets}elsewhere`)).toBe(404);
  });
});

describe("the tls example", () => {
  test("echoes to those who trust the certificate that it prints, and to nobody else", async () => {
    const { program, url } = await startExample("tls");
    await program.stdout.next(/^-----END CERTIFICATE-----$/);
    const ca = program.stdout.all.slice(program.stdout.all.indexOf("-----BEGIN CERTIFICATE-----")).join("\n");
    const socket = new WebSocket(url, { ca });
    await once(socket, "open");
    socket.send("hello");
    expect(String((await once(socket, "message"))[0])).toBe("hello");
    program.kill("SIGTERM");
    expect((await once(socket, "close"))[0]).toBe(1001);
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  test("is not trusted by who was not told to", async () => {
    const { url } = await startExample("tls");
    const socket = new WebSocket(url);
    expect((await once(socket, "error"))[0]).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  });
});

describe("each example with a host", () => {
  const PATHS = { http: "chat", fastify: "news", hono: "echo" };

  test.each(Object.entries(PATHS))("leaves on a signal, with everybody told: %s", async (name, path) => {
    const { program, url, sockets } = await startExample(name);
    const client = await connect(`${sockets}${path}`);
    // A connection that is kept alive must not hold it.
    await get(`${url}missing`);
    program.kill("SIGINT");
    expect((await client.closed).code).toBe(1001);
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
  });

  test.each(["http", "express", "fastify", "hono", "tls"])(
    "says in one line that its port is in use: %s",
    async (name) => {
      const port = await holdPort();
      const { code, stderr } = await start("examples/run.js", [name], { env: { PORT: String(port) } }).ended;
      expect(code).toBe(1);
      expect(stderr).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
    },
  );
});
