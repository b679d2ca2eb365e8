/** Paths on the wire: every spelling of a route's path comes to the route, in every form of a request's target. */
import { type Server, serve } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { answerTo, upgradeWith } from "./asking.js";
import { RawPeer, until, upgradeRequest } from "./peers.js";

/** A server that says which route and which parameters each connection has. */
async function open(): Promise<{ readonly server: Server; readonly seen: unknown[] }> {
  const seen: unknown[] = [];
  const tell =
    (route: string) => (event: { type: string; connection?: { params: object; path: string } | undefined }) =>
      void (event.type === "open" && seen.push([route, { ...event.connection?.params }]));
  const server = await serve({
    port: 0,
    logger: false,
    routes: {
      "/räume/:name": { sockjs: true, handler: tell("room") },
      "/räume/lobby": { sockjs: { cookieNeeded: true }, handler: tell("lobby") },
      "/chat": { handler: tell("chat") },
    },
  });
  onTestFinished(() => server.close());
  return { server, seen };
}

/** Upgrades at a target as it stands; the status. */
async function upgrade(server: Server, target: string): Promise<number> {
  const { status, peer } = await answerTo(server.port, upgradeRequest(target));
  peer.socket.destroy();
  return status;
}

/** The status and the body of a plain request for a target as it stands. */
async function get(server: Server, target: string): Promise<{ status: number; text: string }> {
  const peer = new RawPeer(server.port);
  peer.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  await until(() => peer.isEnded);
  const text = peer.bytes.toString();
  return { status: Number(text.split(" ")[1]), text };
}

describe("a route", () => {
  test.each([
    ["/r%C3%A4ume/x", "room", "x"],
    ["/r%c3%a4ume/x", "room", "x"],
    ["/%72%c3%a4ume/%C3%BC", "room", "ü"],
    ["/r%C3%A4ume/a%2Fb", "room", "a/b"],
    ["/r%C3%A4ume/%zz", "room", "%zz"],
    ["/r%C3%A4ume/constructor", "room", "constructor"],
    ["http://other.example/r%c3%a4ume/x?q", "room", "x"],
    ["WS://user@other.example:81/r%c3%a4ume/x", "room", "x"],
  ])("is found at %s", async (target, route, name) => {
    const { server, seen } = await open();
    expect(await upgrade(server, target)).toBe(101);
    await until(() => seen.length > 0);
    expect(seen).toEqual([[route, { name }]]);
  });

  test("without parameters comes before one with some, over SockJS too", async () => {
    const { server, seen } = await open();
    expect(await upgrade(server, "/r%c3%a4ume/lobby")).toBe(101);
    expect(await upgrade(server, "/r%c3%a4ume/lobby/000/abc/websocket")).toBe(101);
    await until(() => seen.length === 2);
    expect(seen).toEqual([
      ["lobby", {}],
      ["lobby", {}],
    ]);
    expect((await get(server, "/r%c3%a4ume/lobby/info")).text).toContain('"cookie_needed":true');
    expect((await get(server, "/r%c3%a4ume/x/info")).text).toContain('"cookie_needed":false');
  });

  test.each([
    "/r%E4ume/x",
    "/%zz",
    "/%",
    "/r%C3%A4ume%2Fx",
    "/chat/",
    "//chat",
    "/x/../chat",
    "http://chat",
    "http://h/x",
  ])("is not found at %s, and nothing breaks", async (target) => {
    const { server, seen } = await open();
    expect(await upgrade(server, target)).toBe(404);
    expect(await upgrade(server, "/chat")).toBe(101);
    await until(() => seen.length > 0);
    expect(seen).toEqual([["chat", {}]]);
  });

  test("is found by server.route in every spelling", async () => {
    const { server } = await open();
    const room = server.route("/räume/:name");
    expect(server.route("/r%c3%a4ume/:name")).toBe(room);
    expect(server.route("/r%C3%A4ume/lobby")).toBe(server.route("/räume/lobby"));
    expect(() => server.route("/räume/:other")).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });
});

describe("SockJS", () => {
  test.each([
    "/r%C3%A4ume/x/info",
    "/r%c3%a4ume/x/info",
    "http://127.0.0.1/r%c3%a4ume/x/info",
    "https://other.example/r%c3%a4ume/a%2Fb/info?t=1",
  ])("answers at %s", async (target) => {
    const { server } = await open();
    const { status, text } = await get(server, target);
    expect([status, text]).toEqual([200, expect.stringContaining('"websocket":true')]);
  });

  test("has one session in every spelling of its route's path", async () => {
    const { server, seen } = await open();
    const ask = async (target: string): Promise<string> => {
      const peer = new RawPeer(server.port);
      const head = `POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n`;
      const body = target.endsWith("xhr_send") ? '["hello"]' : "";
      peer.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
      await until(() => peer.isEnded);
      return peer.bytes.toString().split("\r\n")[0] ?? "";
    };
    expect(await ask("/r%C3%A4ume/%C3%BC/000/abc/xhr")).toContain("200");
    expect(await ask("/r%c3%a4ume/%c3%bc/000/abc/xhr_send")).toContain("204");
    expect(await ask("http://h/r%c3%a4ume/%c3%bc/000/abc/xhr_send")).toContain("204");
    expect(seen).toEqual([["room", { name: "ü" }]]);
  });
});

test("the host of an absolute target is the host that was asked for, whatever the header says", async () => {
  const server = await serve({ port: 0, logger: false, handler() {} });
  onTestFinished(() => server.close());
  const ask = async (target: string, origin: string): Promise<number> => {
    const request = upgradeWith({ Origin: origin, Host: "header.example" }, target);
    const { status, peer } = await answerTo(server.port, request);
    peer.socket.destroy();
    return status;
  };
  expect(await ask("/", "http://header.example")).toBe(101);
  expect(await ask("http://target.example/", "http://target.example")).toBe(101);
  expect(await ask("http://target.example/", "http://header.example")).toBe(403);
});
