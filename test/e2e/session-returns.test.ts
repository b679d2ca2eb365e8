/** Clients that come back to a session: who decides, whose place is whose, what is told, and what becomes of a session on another node. */
import { inspect } from "node:util";
import { pino } from "pino";
import {
  type AccessEntry,
  type Connection,
  type ConnectionData,
  reject,
  type ServeOptions,
  type Server,
  type ServerEvent,
  type UpgradeRequest,
} from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { memory } from "../../src/testing/memory-cluster.js";
import { Client, serveByHand, until } from "./peers.js";

interface Welcome {
  readonly session: string | null;
  readonly resumed: boolean;
  readonly why: string;
}

/** Reads the first frame of a socket. */
function welcomeOf(received: readonly (string | Buffer)[]): Welcome {
  return JSON.parse(String(received[0]).slice(1));
}

function tokenOf(received: readonly (string | Buffer)[]): string {
  return welcomeOf(received).session ?? "";
}

/** A handler that writes down what it is told. */
class Diary {
  readonly lines: string[] = [];
  readonly connections: Connection[] = [];

  readonly handler = (event: ServerEvent): void => {
    if (event.type === "open") this.connections.push(event.connection);
    if (event.type === "closed") this.lines.push(`closed ${event.code} ${event.by} ${event.reason}`);
    else if (event.type === "message") this.lines.push(event.text);
    else this.lines.push(event.type);
  };

  take(): string[] {
    return this.lines.splice(0);
  }
}

type Options = Omit<ServeOptions, "handler" | "routes">;

class Stage {
  readonly diary = new Diary();
  readonly runtime: TestRuntime;
  #dials = 0;

  constructor(options: Options = {}) {
    this.runtime = createTestRuntime({ resume: true, ...options, handler: this.diary.handler });
    onTestFinished(() => this.runtime.close());
  }

  get server(): Server {
    return this.runtime.server;
  }

  connect(offer = "", options: object = {}): Promise<TestClient> {
    return this.runtime.connect({ protocols: offer === "" ? ["sendall.1"] : ["sendall.1", offer], ...options });
  }

  /** The name by which a client asks for the session again. */
  offer(client: TestClient, received = 0, lost = 0): string {
    return `sendall.1.${tokenOf(client.received)}.${received}.${lost}.${++this.#dials}`;
  }

  async away(client: TestClient): Promise<void> {
    client.disconnect();
    await this.runtime.settle();
  }

  /** Opened is closed and present, always. */
  check(): void {
    const { opened, closed, connections } = this.server.stats();
    expect(opened).toBe(closed + connections);
  }
}

describe("a client that comes back", () => {
  test("has the connection of before, with the facts of the newest request", async () => {
    const stage = new Stage();
    const first = await stage.connect("", { remoteAddress: "1.1.1.1", query: { n: "1" } });
    await stage.away(first);
    expect(stage.server.connections().map(({ isAway }) => isAway)).toEqual([true]);
    const second = await stage.connect(stage.offer(first), { remoteAddress: "2.2.2.2", query: { n: "2" } });
    expect(welcomeOf(second.received)).toMatchObject({ resumed: true, why: "resumed" });
    expect(second.id).toBe(first.id);
    expect(stage.diary.take()).toEqual(["open", "away", "back"]);
    const [connection] = stage.server.connections();
    expect([connection?.isAway, connection?.remoteAddress, String(connection?.query)]).toEqual([
      false,
      "2.2.2.2",
      "n=2",
    ]);
    stage.check();
  });

  test.each<[what: string, change: (token: string) => string]>([
    ["guessed", () => "AAAAAAAAAAAAAAAAAAAAAA"],
    ["cut short", (token) => token.slice(1)],
    ["of a cluster", (token) => `0123456789ab-${token}`],
  ])("with a token that is %s gets a fresh session, and the old one stays away", async (_what, change) => {
    const stage = new Stage();
    const first = await stage.connect();
    await stage.away(first);
    const token = change(tokenOf(first.received));
    const second = await stage.connect(`sendall.1.${token}.0.0.1`);
    expect(welcomeOf(second.received)).toMatchObject({ resumed: false, why: "expired" });
    expect(stage.server.stats()).toMatchObject({ connections: 2, away: 1, resumed: 0 });
    stage.check();
  });

  test("with numbers that cannot be, or to another path, another route or another subprotocol, gets a fresh session", async () => {
    const runtime = createTestRuntime({
      resume: true,
      protocols: ["chat", "talk"],
      routes: { "/room/:name": { handler() {} }, "/other": { handler() {} } },
    });
    onTestFinished(() => runtime.close());
    const open = (path: string, protocols: string[]) => runtime.connect({ path, protocols });
    const first = await open("/room/räume", ["chat+sendall.1", "chat"]);
    first.disconnect();
    await runtime.settle();
    const token = tokenOf(first.received);
    const chat = ["chat+sendall.1", "chat", `sendall.1.${token}.0.0.1`];
    for (const [path, protocols] of [
      ["/room/b", chat],
      ["/other", chat],
      ["/room/räume", ["talk+sendall.1", "talk", `sendall.1.${token}.0.0.1`]],
      ["/room/räume", ["sendall.1", `sendall.1.${token}.0.0.1`]],
      ["/room/räume", ["chat+sendall.1", "chat", `sendall.1.${token}.1.0.1`]],
      ["/room/räume", ["chat+sendall.1", "chat", `sendall.1.${token}.0.1.1`]],
    ] as const) {
      const other = await open(path, [...protocols]);
      expect([path, protocols, welcomeOf(other.received).why]).toEqual([path, protocols, "expired"]);
    }
    const back = await open("/room/r%c3%a4ume", chat);
    expect(welcomeOf(back.received)).toMatchObject({ resumed: true });
    expect(back.id).toBe(first.id);
  });
});

test("a client comes back over SockJS's raw endpoint as over the route itself", async () => {
  const { server } = await serveByHand({ resume: true, routes: { "/echo": { sockjs: true, handler() {} } } });
  const open = async (path: string, ...offers: string[]): Promise<Client> => {
    const client = await Client.open(`${server.url}${path}`, {}, ["sendall.1", ...offers]);
    await until(() => client.received.length > 0);
    return client;
  };
  let client = await open("echo");
  const token = tokenOf(client.received);
  for (const [i, path] of ["echo/websocket", "echo"].entries()) {
    client.ws.terminate();
    await until(() => server.stats().away === 1);
    client = await open(path, `sendall.1.${token}.0.0.${i + 1}`);
    expect(welcomeOf(client.received)).toMatchObject({ resumed: true, session: token });
  }
  expect(server.stats()).toMatchObject({ connections: 1, opened: 1, resumed: 2 });
});

describe("authorize, when a client comes back", () => {
  test("refuses: the client gets the refusal, and the session ends once, by our side", async () => {
    let isAllowed = true;
    const stage = new Stage({ authorize: () => (isAllowed ? {} : reject(401, "who?")), maxConnections: 1 });
    const first = await stage.connect();
    await stage.away(first);
    isAllowed = false;
    await expect(stage.connect(stage.offer(first))).rejects.toMatchObject({ code: "REFUSED", status: 401 });
    await stage.runtime.settle();
    expect(stage.diary.take()).toEqual(["open", "away", "closed 1008 server refused"]);
    isAllowed = true;
    const next = await stage.connect();
    expect(welcomeOf(next.received).why).toBe("new");
    expect(stage.server.stats()).toMatchObject({ opened: 2, closed: 1, away: 0, refused: 1 });
    stage.check();
  });

  test("fails or hangs: the client is refused, and finds the session the next time, with the data of before", async () => {
    const answers: (() => unknown)[] = [
      () => ({ n: 1 }),
      () => {
        throw new Error("no");
      },
      () => new Promise(() => {}),
      () => ({ n: 2 }),
    ];
    const stage = new Stage({ authorize: () => answers.shift()?.() as ConnectionData, handshakeTimeoutMs: 100 });
    const first = await stage.connect();
    await stage.away(first);
    await expect(stage.connect(stage.offer(first))).rejects.toMatchObject({ status: 500 });
    const hanging = stage.connect(stage.offer(first));
    await Promise.all([expect(hanging).rejects.toMatchObject({ status: 503 }), stage.runtime.advance(100)]);
    const back = await stage.connect(stage.offer(first));
    expect(back.id).toBe(first.id);
    expect(stage.server.connections().map(({ data }) => data)).toEqual([{ n: 1 }]);
    expect(stage.diary.take()).toEqual(["open", "away", "back"]);
  });
});

describe("resume.verify", () => {
  test("decides beside the kept connection, and a client it turns away is a newcomer", async () => {
    const stage = new Stage({
      authorize: ({ query }: UpgradeRequest) => ({ user: query.get("user") }),
      resume: { verify: ({ query }, { data }) => query.get("user") === data.user },
    });
    const first = await stage.connect("", { query: { user: "ann" } });
    await stage.away(first);
    const thief = await stage.connect(stage.offer(first), { query: { user: "bob" } });
    expect(welcomeOf(thief.received)).toMatchObject({ resumed: false, why: "refused" });
    expect(thief.id).not.toBe(first.id);
    const back = await stage.connect(stage.offer(first), { query: { user: "ann" } });
    expect([back.id, welcomeOf(back.received).why]).toEqual([first.id, "resumed"]);
    expect(stage.server.connections().map(({ data }) => data)).toEqual([{ user: "ann" }, { user: "bob" }]);
    stage.check();
  });

  test("cuts a client whose session ends before the handshake is over, and the next dial is authorized", async () => {
    let isAsked = false;
    const stage = new Stage({
      authorize: () => ({ isAsked }),
      resume: {
        async verify(_request, connection) {
          // Ended in the microtasks between the answer and the handshake.
          let steps = 0;
          const end = (): void => {
            if (++steps < ends) queueMicrotask(end);
            else connection.terminate();
          };
          queueMicrotask(end);
          return true;
        },
      },
    });
    let ends = 0;
    const outcomes = new Set<string>();
    for (; ends < 12; ends++) {
      isAsked = false;
      const first = await stage.connect();
      await stage.away(first);
      isAsked = true;
      const back = await stage.connect(stage.offer(first));
      await stage.runtime.settle();
      const fresh = stage.server.connections().find(({ id }) => id === back.id);
      if (fresh !== undefined) expect(fresh.data).toEqual({ isAsked: true });
      outcomes.add(back.closed === undefined ? "authorized" : `cut ${back.closed.code}`);
      back.disconnect();
      await stage.runtime.settle();
    }
    expect([...outcomes].sort()).toEqual(["authorized", "cut 1006"]);
    stage.check();
  });
});

describe("a full server", () => {
  test("lets the owner of a session back in, and ends the one away longest for a newcomer", async () => {
    const stage = new Stage({ maxConnections: 2 });
    const [a, b] = [await stage.connect(), await stage.connect()];
    await stage.away(a);
    await stage.runtime.advance(1);
    await stage.away(b);
    const back = await stage.connect(stage.offer(a));
    expect(back.id).toBe(a.id);
    await stage.away(back);
    stage.diary.take();
    const newcomer = await stage.connect();
    expect(stage.diary.take().sort()).toEqual(["closed 1006 lost too many away", "open"]);
    expect(stage.server.connections().map(({ id }) => id)).toEqual([a.id, newcomer.id]);
    expect(stage.server.stats()).toMatchObject({ expired: 1, away: 1, connections: 2 });
    const late = await stage.connect(stage.offer(b));
    expect([welcomeOf(late.received).why, stage.server.stats().connections]).toEqual(["expired", 2]);
    await expect(stage.connect()).rejects.toMatchObject({ status: 503 });
    stage.check();
  });

  test("ends the one away longest of all routes", async () => {
    const handler = (): void => {};
    const routes = { "/a": { handler }, "/b": { handler } };
    for (const [first, second] of [
      ["/a", "/b"],
      ["/b", "/a"],
    ] as const) {
      const runtime = createTestRuntime({ resume: true, maxConnections: 2, routes });
      onTestFinished(() => runtime.close());
      const connect = (path: string) => runtime.connect({ path, protocols: ["sendall.1"] });
      const [younger, older] = [await connect(second), await connect(first)];
      older.disconnect();
      await runtime.advance(1);
      younger.disconnect();
      await runtime.settle();
      const newcomer = await connect("/a");
      expect(new Set(runtime.server.connections().map(({ id }) => id))).toEqual(new Set([younger.id, newcomer.id]));
    }
  });

  test("counts a connection for the address from which it has come back", async () => {
    const stage = new Stage({ maxConnectionsPerAddress: 1 });
    const first = await stage.connect("", { remoteAddress: "home" });
    await stage.away(first);
    const back = await stage.connect(stage.offer(first), { remoteAddress: "train" });
    const other = await stage.connect("", { remoteAddress: "home" });
    await expect(stage.connect("", { remoteAddress: "train" })).rejects.toMatchObject({ status: 503 });
    await stage.away(back);
    await expect(stage.connect("", { remoteAddress: "home" })).rejects.toMatchObject({ status: 503 });
    const newcomer = await stage.connect("", { remoteAddress: "train" });
    expect(stage.server.connections().map(({ id }) => id)).toEqual([other.id, newcomer.id]);
    stage.check();
  });

  test.each([
    ["maxConnections", "authorize", "live", 1],
    ["maxConnections", "verify", "live", 1],
    ["maxConnectionsPerAddress", "authorize", "live", 20],
    ["maxConnectionsPerAddress", "authorize", "ended", 20],
  ] as const)(
    "under %s asks %s about no more returns at once to a session that has %s",
    async (limit, option, state, most) => {
      let underWay = 0;
      let decide: ((answer: boolean) => void)[] | undefined;
      const ask = (): boolean | Promise<boolean> => {
        underWay++;
        return decide === undefined || new Promise((resolve) => decide?.push(resolve));
      };
      const stage = new Stage({
        [limit]: most,
        ...(option === "verify" ? { resume: { verify: ask } } : { authorize: async () => ({ is: await ask() }) }),
      });
      const first = await stage.connect();
      await stage.away(first);
      if (state === "ended") stage.server.connections()[0]?.close(4_000, "bye");
      await stage.runtime.settle();
      underWay = 0;
      decide = [];
      const dials = Array.from({ length: 50 }, () => stage.connect(stage.offer(first)).catch(({ status }) => status));
      await stage.runtime.settle();
      const bound = Math.max(most, 16);
      expect(underWay).toBe(bound);
      const answers = decide;
      decide = undefined;
      for (const resolve of answers) resolve(true);
      const outcomes = await Promise.all(dials);
      expect(outcomes.filter((outcome) => outcome === 503).length).toBe(50 - bound);
      const last = await stage.connect(stage.offer(first));
      await stage.runtime.settle();
      if (state === "ended") expect(last.closed).toMatchObject({ code: 4_000, reason: "bye" });
      else expect(last.id).toBe(first.id);
      stage.check();
    },
  );

  test("lets a waiting newcomer in when a connection goes away", async () => {
    const stage = new Stage({ maxConnections: 1, whenFull: "wait" });
    const first = await stage.connect();
    const waiting = stage.connect();
    await stage.runtime.settle();
    await stage.away(first);
    const second = await waiting;
    expect(welcomeOf(second.received).why).toBe("new");
    expect(stage.diary.take()).toEqual(["open", "away", "closed 1006 lost too many away", "open"]);
    stage.check();
  });
});

describe("an answer by a close frame", () => {
  test("is that to a client whose session our side has ended meanwhile, without open, and with an access entry", async () => {
    const entries: AccessEntry[] = [];
    const stage = new Stage({ maxConnections: 1, onAccess: (entry) => void entries.push(entry) });
    const first = await stage.connect();
    await stage.away(first);
    stage.server.connections()[0]?.close(4_000, "bye");
    await stage.runtime.settle();
    await stage.connect();
    const back = await stage.connect(stage.offer(first));
    await stage.runtime.settle();
    expect([back.received, back.closed]).toEqual([[], { code: 4_000, reason: "bye" }]);
    expect(stage.diary.take()).toEqual(["open", "away", "closed 4000 server bye", "open"]);
    expect(entries.map(({ status, connection }) => [status, typeof connection])).toEqual([
      [101, "string"],
      [101, "string"],
      [101, "undefined"],
    ]);
  });

  test("is that to a dial that comes after a later one, which goes on", async () => {
    const stage = new Stage();
    const first = await stage.connect();
    const [early, late] = [stage.offer(first), stage.offer(first)];
    const second = await stage.connect(late);
    const third = await stage.connect(early);
    await stage.runtime.settle();
    expect([third.received, third.closed]).toEqual([[], { code: 1008, reason: "session taken over" }]);
    expect(first.closed).toEqual({ code: 1008, reason: "session taken over" });
    stage.server.sendall("hello");
    await stage.runtime.settle();
    expect(second.received.slice(1)).toEqual(["hello"]);
    expect(stage.diary.take()).toEqual(["open"]);
    stage.check();
  });
});

describe("two nodes", () => {
  test("a client that lands on the other one gets elsewhere, and its old session ends there as moved", async () => {
    const cluster = memory();
    const [a, b] = [new Stage({ cluster }), new Stage({ cluster })];
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) for (const { runtime } of [a, b]) await runtime.settle();
    };
    await settle();
    const first = await a.connect();
    const offer = a.offer(first);
    expect(offer).toMatch(/^sendall\.1\.[0-9a-f]{12}-[\w-]{22}\.0\.0\.1$/);
    await a.away(first);
    const second = await b.connect(offer);
    await settle();
    expect(welcomeOf(second.received)).toMatchObject({ resumed: false, why: "elsewhere" });
    expect(tokenOf(second.received)).not.toBe(tokenOf(first.received));
    expect(a.diary.take()).toEqual(["open", "away", "closed 1006 lost moved"]);
    expect(b.diary.take()).toEqual(["open"]);
    expect(a.server.stats()).toMatchObject({ connections: 0, expired: 1 });
    for (const stage of [a, b]) {
      stage.check();
      expect(stage.server.stats().cluster).toMatchObject({ lost: 0, rejected: 0 });
    }
    const third = await a.connect(offer);
    expect(welcomeOf(third.received).why).toBe("expired");
  });

  test("a late dial that lands on the other one, or impossible numbers, end nothing", async () => {
    const cluster = memory();
    const [a, b] = [new Stage({ cluster }), new Stage({ cluster })];
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) for (const { runtime } of [a, b]) await runtime.settle();
    };
    await settle();
    const first = await a.connect();
    const early = a.offer(first);
    await a.connect(a.offer(first));
    for (const offer of [early, a.offer(first, 7)]) {
      const other = await b.connect(offer);
      expect(welcomeOf(other.received).why).toBe("elsewhere");
    }
    await settle();
    expect(a.server.stats()).toMatchObject({ connections: 1, expired: 0 });
    expect(a.diary.take()).toEqual(["open"]);
  });
});

describe("the token", () => {
  test("stands in no log line, access entry, header or list that a handler, authorize or verify can see", async () => {
    const seen: unknown[] = [];
    const lines: string[] = [];
    const entries: AccessEntry[] = [];
    const look = ({ raw, ...request }: UpgradeRequest): void => void seen.push(request, String(request.query));
    let verdict: () => boolean = () => true;
    const { server } = await serveByHand({
      resume: {
        verify(request, connection) {
          look(request);
          seen.push(connection.id, { ...connection.headers });
          return verdict();
        },
      },
      protocols: ["chat"],
      maxConnections: 3,
      logger: pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }),
      onAccess: (entry) => void entries.push(entry),
      authorize(request) {
        look(request);
        return request.query.has("out") ? reject(401) : {};
      },
      handler(event) {
        if (!("connection" in event) || event.connection === undefined) return;
        const { headers, cookies, path, query, protocol, id, data } = event.connection;
        seen.push(event.type, headers, cookies, path, String(query), protocol, id, data);
        const everything = { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null };
        seen.push(inspect(event, everything), inspect(server.stats(), everything));
      },
    });
    const tokens = new Set<string>();
    const open = async (offer?: string, query = ""): Promise<Client> => {
      const names = ["chat+sendall.1", "chat", "sendall.1", ...(offer === undefined ? [] : [offer])];
      const client = await Client.open(`${server.url}${query}`, {}, names);
      await until(() => client.received.length > 0 || client.ws.readyState === 3);
      const token = client.received.length > 0 ? tokenOf(client.received) : "";
      if (token !== "") tokens.add(token);
      return client;
    };
    const client = await open();
    const [token = ""] = tokens;
    let dial = 0;
    const name = (): string => `sendall.1.${token}.0.0.${++dial}`;
    const lose = async (): Promise<void> => {
      for (const { ws } of [client, ...others]) ws.terminate();
      await until(() => server.stats().away === server.stats().connections);
    };
    const others: Client[] = [];
    await lose();
    others.push(await open(name()), await open(name()), await open("sendall.1.x"));
    verdict = () => {
      throw new Error("no");
    };
    await expect(open(name())).rejects.toThrow(/500/);
    verdict = () => false;
    await expect(open(name(), "?out")).rejects.toThrow(/401/);
    others.push(await open(name()));
    await expect(open(name())).rejects.toThrow(/503/);
    verdict = () => true;
    await lose();
    await expect(open("sendall.1.y", "?out")).rejects.toThrow(/401/);
    server.connections()[0]?.close(4_000, "bye");
    others.push(await open(name()));
    expect(entries.length).toBeGreaterThan(8);
    expect(lines.join("")).toContain("resume.verify failed");
    expect(tokens.size).toBe(3);
    const shown = inspect([seen, lines, entries], { depth: 9, maxStringLength: null, maxArrayLength: null });
    for (const one of tokens) expect(shown).not.toContain(one);
  });
});
