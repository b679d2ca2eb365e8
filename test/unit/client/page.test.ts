/** The client in a page: what it hears of the network and of the page, and when it stops listening. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { protocol } from "../../../src/protocol.js";
import { ClientStage, settle } from "./stage.js";

/** What a page tells its scripts. */
class Page {
  readonly document = { visibilityState: "visible" };
  readonly listeners: [type: string, listener: (event: object) => void][] = [];

  constructor() {
    vi.stubGlobal("document", this.document);
    vi.stubGlobal("addEventListener", (type: string, listener: (event: object) => void) => {
      this.listeners.push([type, listener]);
    });
    vi.stubGlobal("removeEventListener", (type: string, listener: unknown) => {
      const at = this.listeners.findIndex(([own, other]) => own === type && other === listener);
      if (at >= 0) this.listeners.splice(at, 1);
    });
  }

  tell(type: string, details: object = {}): void {
    for (const [wanted, listener] of [...this.listeners]) if (wanted === type) listener({ type, ...details });
  }
}

let stage: ClientStage;
let page: Page;

beforeEach(() => {
  stage = new ClientStage();
  page = new Page();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const BACK: [what: string, type: string, visibility: string][] = [
  ["the network is back", "online", "hidden"],
  ["the page is shown", "pageshow", "visible"],
  ["the page becomes visible", "visibilitychange", "visible"],
];

describe.each(BACK)("when %s", (_what, type, visibility) => {
  test("a waiting client dials at once, and no second time when its delay is over", async () => {
    const client = stage.connect();
    stage.socket.fail();
    page.document.visibilityState = visibility;
    page.tell(type);
    expect([client.state, stage.sockets.length]).toEqual(["connecting", 2]);
    stage.socket.welcome();
    await stage.pass(60_000);
    expect([client.state, stage.sockets.length]).toEqual(["open", 2]);
  });

  test("an open session asks for a sign of life, and is dropped 5 s later without one", async () => {
    const client = stage.connect();
    stage.socket.welcome(45_000);
    page.document.visibilityState = visibility;
    page.tell(type);
    page.tell(type);
    expect(stage.socket.sent).toEqual(["~h"]);
    stage.socket.message("~h");
    page.tell(type);
    expect(stage.socket.sent).toEqual(["~h", "~h"]);
    await stage.pass(4_999);
    expect(client.state).toBe("open");
    await stage.pass(1);
    expect(client.state).toBe("waiting");
  });

  test("nothing is asked on a plain socket, or without a heartbeat, or of a client that is connecting", async () => {
    const client = stage.connect();
    page.tell(type);
    stage.socket.welcome(0);
    page.tell(type);
    stage.connect({ session: false });
    stage.socket.accept();
    page.tell(type);
    await stage.pass(10_000);
    expect([client.state, stage.sockets.map(({ sent }) => sent)]).toEqual(["open", [[], []]]);
  });
});

test("when the page becomes hidden a client does nothing", () => {
  const client = stage.connect();
  stage.socket.welcome(45_000);
  page.document.visibilityState = "hidden";
  page.tell("visibilitychange");
  expect(stage.socket.sent).toEqual([]);
  stage.socket.fail();
  page.tell("visibilitychange");
  expect([client.state, stage.sockets.length]).toEqual(["waiting", 1]);
});

describe("when the page is left", () => {
  test("for good a client closes with 1000", async () => {
    const client = stage.connect();
    stage.socket.welcome(45_000);
    page.tell("pagehide", { persisted: false });
    expect([client.state, stage.socket.closes]).toEqual(["closing", [[1000, ""]]]);
    await settle();
    expect(client.state).toBe("closed");
  });

  test("for the back/forward cache a client stays as it is, and asks when the page is back", () => {
    const client = stage.connect();
    stage.socket.welcome(45_000);
    page.tell("pagehide", { persisted: true });
    expect([client.state, stage.socket.closes]).toEqual(["open", []]);
    page.tell("pageshow", { persisted: true });
    expect(stage.socket.sent).toEqual(["~h"]);
  });
});

describe("nothing is listened to", () => {
  test.each<[string, (stage: ClientStage) => void]>([
    ["close", () => page.tell("pagehide")],
    ["a final close code", () => stage.socket.end(1008)],
    ["a broken welcome", () => stage.socket.message("~{")],
  ])("after %s", async (_what, end) => {
    const client = stage.connect();
    expect(page.listeners.map(([type]) => type).sort()).toEqual(["online", "pagehide", "pageshow", "visibilitychange"]);
    stage.socket.welcome();
    end(stage);
    await settle();
    expect([client.state, page.listeners]).toEqual(["closed", []]);
  });

  test("by a client whose options are refused", () => {
    for (const wrong of [{ protocol: protocol({}), on: { said() {} } }, { calls: {} }] as object[])
      expect(() => stage.connect(wrong)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
    expect(page.listeners).toEqual([]);
  });

  test("by clients that come back, beyond one set of listeners", async () => {
    stage.connect({ reconnect: { jitter: 0 } });
    for (let i = 0; i < 10; i++) {
      stage.socket.fail();
      await stage.pass(10_000);
    }
    expect([stage.sockets.length, page.listeners.length]).toEqual([11, 4]);
  });

  test("where there are no events: a client connects and closes", async () => {
    vi.stubGlobal("addEventListener", undefined);
    vi.stubGlobal("removeEventListener", undefined);
    const client = stage.connect();
    stage.socket.welcome();
    client.close();
    await settle();
    expect(client.state).toBe("closed");
  });
});
