/** What a client finds around it in different runtimes, by the globals that each of them has. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/client.js";
import { until } from "../../e2e/peers.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock("../../../src/client/node-socket.js");
});

/** A browser's class, as far as dialling goes: remembers the addresses, and never opens. */
class OwnSocket {
  static dialled: string[] = [];
  binaryType = "";
  readyState = 0;
  readonly bufferedAmount = 0;
  readonly protocol = "";

  constructor(url: string) {
    OwnSocket.dialled.push(url);
  }
  send(): void {}
  close(): void {}
  addEventListener(): void {}
}

/** What a client dials here, if with the class of this place. */
function dialledBy(url: string, options: Parameters<typeof connect>[1] = {}): string[] {
  OwnSocket.dialled = [];
  connect(url, { reconnect: false, ...options }).close();
  return OwnSocket.dialled;
}

describe("an address", () => {
  test.each([
    ["Deno's, which is undefined", undefined],
    ["null", null],
    ["an object without an address", {}],
    ["a made-up page's", { href: "about:blank" }],
    ["that of a worker made from a blob", { href: "blob:null/0b0c" }],
    ["no address at all", { href: "nowhere" }],
    ["no object", "http://localhost/"],
  ])("is taken as it is when location is %s", (_case, location) => {
    vi.stubGlobal("location", location);
    for (const [url, dialled] of [
      ["ws://127.0.0.1:8080", "ws://127.0.0.1:8080/"],
      ["http://127.0.0.1:8080/chat", "ws://127.0.0.1:8080/chat"],
      ["/path", "/path"],
    ] as const)
      expect(dialledBy(url, { WebSocket: OwnSocket })).toEqual([dialled]);
    expect(() => dialledBy("chat", { WebSocket: OwnSocket })).toThrow(
      /^url: expected a URL that begins with ws:\/\/, .* relative in a page alone, got "chat"/,
    );
  });

  test.each([
    ["https://example.com/a/b?c#d", "chat", "wss://example.com/a/chat"],
    ["http://example.com:81/a/b", "/chat", "ws://example.com:81/chat"],
  ])("may be relative to the page %s", (href, url, dialled) => {
    vi.stubGlobal("location", { href });
    expect(dialledBy(url, { WebSocket: OwnSocket })).toEqual([dialled]);
  });
});

describe("the class of sockets", () => {
  const URL_OF_NONE = "ws://127.0.0.1:1/";

  test("is a page's own, which cannot send headers", () => {
    vi.stubGlobal("document", {});
    vi.stubGlobal("WebSocket", OwnSocket);
    expect(dialledBy(URL_OF_NONE)).toEqual([URL_OF_NONE]);
    expect(() => connect(URL_OF_NONE, { headers: { a: "b" } })).toThrow(
      /^headers: expected .* in Node alone and not beside WebSocket/,
    );
  });

  test.each([
    ["a document that is undefined", undefined, OwnSocket],
    ["a made-up page without sockets", {}, undefined],
  ])("is that of Node beside %s", (_case, document, WebSocket) => {
    vi.stubGlobal("document", document);
    vi.stubGlobal("WebSocket", WebSocket);
    expect(dialledBy(URL_OF_NONE, { headers: { a: "b" } })).toEqual([]);
  });

  test("is one that has to be given in a runtime that has none", () => {
    vi.stubGlobal("process", undefined);
    vi.stubGlobal("WebSocket", undefined);
    expect(() => connect(URL_OF_NONE)).toThrow(/^WebSocket: expected a class .* none here by default/);
  });

  test("is the runtime's own where that looks like Node and cannot load ws", async () => {
    vi.resetModules();
    vi.doMock("../../../src/client/node-socket.js", () => {
      throw new TypeError("Class extends value undefined is not a constructor or null");
    });
    vi.stubGlobal("WebSocket", OwnSocket);
    OwnSocket.dialled = [];
    const { connect } = await import("../../../src/client.js");
    const client = connect(URL_OF_NONE, { reconnect: false });
    await until(() => OwnSocket.dialled.length > 0);
    expect(OwnSocket.dialled).toEqual([URL_OF_NONE]);
    client.close();
    const withHeaders = connect(URL_OF_NONE, { reconnect: false, headers: { a: "b" } });
    await expect(withHeaders.opened).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
    expect(OwnSocket.dialled).toHaveLength(1);
  });
});
