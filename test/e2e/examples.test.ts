/** Every example, started as `npm run example <name>` starts it, and talked to. */
import { EventEmitter, once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import type { Snapshot } from "sendall";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, connect, holdPort, type Program, start, stopPrograms } from "./programs.js";

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

describe("the snapshot example", () => {
  it("shows at /snapshot which event keeps the handler busy and what waits", async () => {
    const { url } = await startExample("snapshot");
    const [ann, bob] = [await connect(url), await connect(url)];
    ann.send("quick");
    expect(await ann.next()).toBe("done: quick");
    ann.send("10000");
    bob.send("mine");
    const take = async () => {
      const answer = await fetch(new URL("/snapshot", url.replace("ws", "http")));
      return (await answer.json()) as Snapshot;
    };
    let snapshot = await take();
    while (snapshot.top.eventsWaiting.length === 0 || snapshot.periodMs === undefined) snapshot = await take();
    const { rooms, routes, top } = snapshot;
    const stuck = routes[0]?.underWay[0];
    expect(stuck).toMatchObject({ event: "message", connection: expect.any(String) });
    expect(top.eventsWaiting[0]?.id).not.toBe(stuck?.connection);
    expect(top.handlerMs[0]?.id).toBe(stuck?.connection);
    expect(rooms).toEqual([{ route: "*", room: "everybody", members: 2 }]);
  });
});

describe("the tracing example", () => {
  it("prints each event, what its handler does meanwhile, and how the handler fails", async () => {
    const { program, url } = await startExample("tracing");
    const client = await connect(url);
    await program.stdout.next(/^open \* took \d+ ms$/);
    client.send("hello");
    expect(await client.next()).toBe("looked up hello");
    await program.stdout.next(/^ {2}look up took \d+ ms$/);
    await program.stdout.next(/^message \* took \d+ ms, 5 bytes$/);
    client.send("fail");
    await program.stdout.next(/^message \* took \d+ ms, 4 bytes, failed: RangeError$/);
    client.socket.close();
    await program.stdout.next(/^closed \* took \d+ ms$/);
  });
});

describe("the chat example", () => {
  it("serves its page and its socket on one port", async () => {
    const { url } = await startExample("chat");
    const page = await fetch(url);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    const client = await connect(new URL("/chat", url).href.replace("http", "ws"));
    expect(await client.next()).toBe('["rooms",[]]');
    expect((await fetch(new URL("/sendall/protocol.js", url))).status).toBe(200);
  });
});

describe("the replies example", () => {
  /** What a client gets from now on, control frames too, in order. */
  function watch({ socket }: Client): { next(count: number): Promise<string[]> } {
    const frames: string[] = [];
    const arrived = new EventEmitter();
    const note = (kind: string) => (data: Buffer, isBinary?: boolean) => {
      frames.push(isBinary ? `bytes ${data.toString("hex")}` : `${kind} ${data}`);
      arrived.emit("frame");
    };
    socket.on("message", note("text")).on("ping", note("ping")).on("pong", note("pong"));
    return {
      async next(count) {
        while (frames.length < count) await once(arrived, "frame");
        return frames.splice(0, count);
      },
    };
  }

  it.each([
    ["hello", ["text hello"]],
    ["again", ["text hi, message 2"]],
    ["bytes", ["bytes 010203"]],
    ["ping", ["ping are you there?", "text you answered are you there?"]],
    ["pong", ["pong I am here"]],
    ["several", ["text one", "ping ", "text two", "text you answered "]],
    ["plain", ["text a plain object"]],
    ["later", ["text a moment later"]],
    ["alarm", ["text info: time is up"]],
    ["tell all of you", ["text info: all of you"]],
    ["hush 1", ["text you are silent"]],
    ["bye", ["closed 1000 "]],
    ["bye 4001 that is enough", ["closed 4001 that is enough"]],
    ["crash", ["closed 1011 handler failed"]],
  ])("answers %j with its frames", async (word, frames) => {
    const { url } = await startExample("replies");
    const client = await connect(url);
    const seen = watch(client);
    client.send("hi");
    expect(await seen.next(1)).toEqual(["text hi"]);
    client.send(word);
    if (frames[0]?.startsWith("closed")) {
      const { code, reason } = await client.closed;
      expect([`closed ${code} ${reason}`]).toEqual(frames);
    } else expect(await seen.next(frames.length)).toEqual(frames);
  });

  it("answers bytes with bytes, notices pings, and sends nothing for a noreply", async () => {
    const { program, url } = await startExample("replies");
    const client = await connect(url);
    const seen = watch(client);
    client.send("nothing");
    client.send(Buffer.from("ok"));
    expect(await seen.next(1)).toEqual(["bytes 6f6b"]);
    client.socket.ping("hello?");
    expect(await seen.next(2)).toEqual(["pong hello?", "text you pinged hello?"]);
    client.send("again");
    expect(await seen.next(1)).toEqual(["text ok, message 3"]);
    client.socket.close(4002);
    await program.stdout.next(/^Closed with 4002 by peer after 3 messages$/);
  });
});

describe("the channels example", () => {
  it("carries three conversations over one socket", async () => {
    const { url } = await startExample("channels");
    const client = await connect(url.replace("http", "ws"));
    for (const name of ["ann", "bob", "carl"]) client.send(`sub,${name}`);
    const greetings = [];
    for (let i = 0; i < 4; i++) greetings.push(await client.next());
    expect(greetings).toEqual([
      "msg,ann,Ann says hi!",
      "msg,bob,Bob doesn't agree.",
      "msg,carl,Carl says goodbye!",
      "uns,carl",
    ]);
    client.send("msg,ann,commas, too");
    expect(await client.next()).toBe("msg,ann,Ann nods: commas, too");
  });
});

describe("the push example", () => {
  function post(url: string, body: string, headers: Record<string, string> = { "Content-Type": "application/json" }) {
    return fetch(`${url}/push`, { method: "POST", headers, body });
  }

  it("pushes what its own parts do, and what is posted to it", async () => {
    const { url } = await startExample("push");
    const client = await connect(url.replace("http", "ws"));
    expect(JSON.parse(String(await client.next()))).toEqual({
      type: "price",
      item: expect.stringMatching(/^\w+$/),
      cents: expect.any(Number),
    });
    const response = await post(url, JSON.stringify({ text: " Sale " }));
    expect([response.status, await response.text()]).toEqual([202, "told 1\n"]);
    let message = JSON.parse(String(await client.next()));
    while (message.type === "price") message = JSON.parse(String(await client.next()));
    expect(message).toEqual({ type: "news", text: "Sale", at: expect.any(Number) });
  });

  it.each([
    ["another type", 415, '{"text":"x"}', { "Content-Type": "text/plain" }],
    ["too much", 413, JSON.stringify({ text: "x".repeat(2_000) }), undefined],
    ["no JSON", 400, "{", undefined],
    ["no text", 400, '{"text":7}', undefined],
  ])("refuses %s", async (_case, status, body, headers) => {
    const { url } = await startExample("push");
    expect((await post(url, body, headers)).status).toBe(status);
    expect((await fetch(`${url}/push`)).status).toBe(404);
  });
});

describe("the client example", () => {
  type Frame = readonly [name: string | number, payload: { readonly [key: string]: unknown }];

  /** Somebody in the chat's lobby, where the bot is or comes to. */
  async function meetBot(url: string, nick: string): Promise<{ client: Client; hear(text: string): Promise<Frame> }> {
    const client = await connect(new URL("/chat", url).href.replace("http", "ws"));
    const next = async (isIt: (...frame: Frame) => boolean): Promise<Frame> => {
      for (;;) {
        const frame: Frame = JSON.parse(String(await client.next()));
        if (isIt(...frame)) return frame;
      }
    };
    client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
    const [, { people }] = await next((name) => name === "people");
    if (!(people as { nick: string }[]).some((person) => person.nick === "Bot"))
      await next((name, it) => name === "joined" && it.nick === "Bot");
    return { client, hear: (text) => next((name, it) => name === "said" && it.text === text) };
  }

  it("starts a chat with a bot in its lobby", async () => {
    const { url } = await startExample("client");
    const { client } = await meetBot(url, "Ann");
    const bob = await meetBot(url, "Bob");
    expect((await bob.hear("Hello Bob!"))[1].nick).toBe("Bot");
    client.send(JSON.stringify(["say", { text: "bot, what can you do?" }]));
    expect((await bob.hear('Say my name and "time", "roll" or "people".'))[1].nick).toBe("Bot");
    expect(await (await fetch(url)).text()).toContain("Sendall chat");
    expect((await fetch(new URL("/sendall/client.js", url))).status).toBe(200);
  });

  it("sends the bot to a chat that comes later, and goes and comes again", async () => {
    const chat = await startExample("chat");
    const { port } = new URL(chat.url);
    chat.program.kill("SIGTERM");
    await chat.program.ended;
    const bot = start("examples/run.js", ["client", `ws://127.0.0.1:${port}/chat`]);
    await bot.stdout.next(/^The bot's connection has ended \(1006 \); it will try again$/);
    for (let life = 1; life <= 2; life++) {
      const again = start("examples/run.js", ["chat"], { env: { PORT: port } });
      await again.stdout.next(/^Chat: /);
      await meetBot(chat.url, "Ann");
      again.kill("SIGTERM");
      await again.ended;
    }
    bot.kill("SIGTERM");
    expect(await bot.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
  });
});

describe("the typed example", () => {
  it("is compiled, answers calls, refuses with a reason, and is called by its bidder", async () => {
    const { program, url } = await startExample("typed");
    const ann = await connect(`${url}?nick=Ann`);
    const next = async (): Promise<unknown> => JSON.parse(String(await ann.next()));
    ann.send('["lots",1]');
    const [clock, lamp] = [
      { name: "clock", price: 10, leader: "" },
      { name: "lamp", price: 25, leader: "" },
    ];
    expect(await next()).toEqual([1, [clock, lamp]]);
    ann.send('["bid",{"name":"clock","amount":20},2]');
    const bid = { name: "clock", price: 20, leader: "Ann" };
    expect([await next(), await next()]).toEqual([
      ["price", bid],
      [2, bid],
    ]);
    await program.stdout.next(/^Robot bids 21 for the clock$/);
    expect([await next(), await next()]).toEqual([
      ["price", { ...bid, price: 21, leader: "Robot" }],
      ["cheered", { nick: "Robot", text: "clock for 21!" }],
    ]);
    ann.send('["bid",{"name":"clock","amount":21},3]');
    expect(await next()).toEqual([3, null, { reason: "TOO_LOW", message: "clock is at 21", data: { price: 21 } }]);
    ann.send('["bid",{"name":"clock","amount":"much"},4]');
    const issues = [{ path: "amount", message: expect.stringContaining("expected number") }];
    expect(await next()).toEqual([4, null, { reason: "INVALID_MESSAGE", issues }]);
  });
});

describe("the multi example", () => {
  it("reports what happens at one server to the other's people, and announces what those say", async () => {
    const { program, url } = await startExample("multi");
    const [, adminUrl = ""] = await program.stdout.next(/^Admin: (ws:\S+)$/);
    expect(adminUrl).not.toBe(url);
    const admin = await connect(adminUrl);
    const [ann, bob] = [await connect(url), await connect(url)];
    const reports = [];
    for (let i = 0; i < 2; i++) reports.push(JSON.parse(String(await admin.next())));
    expect(reports).toMatchObject([
      { what: "open", here: 1 },
      { what: "open", here: 2 },
    ]);
    ann.send("hello");
    expect([await ann.next(), await bob.next()]).toEqual(["hello", "hello"]);
    expect(JSON.parse(String(await admin.next()))).toMatchObject({ what: "message", who: reports[0].who });
    admin.send("closing soon");
    expect([await ann.next(), await bob.next()]).toEqual(["Announcement: closing soon", "Announcement: closing soon"]);
  });

  it("closes both servers on a signal", async () => {
    const { program, url } = await startExample("multi");
    const [, adminUrl = ""] = await program.stdout.next(/^Admin: (ws:\S+)$/);
    const clients = [await connect(url), await connect(adminUrl)];
    program.kill("SIGINT");
    for (const client of clients) expect((await client.closed).code).toBe(1001);
    expect((await program.ended).code).toBe(0);
  });

  it("starts neither if the second cannot have its port", async () => {
    const port = await holdPort();
    const program = start("examples/run.js", ["multi"], { env: { PORT: "0", ADMIN_PORT: String(port) } });
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
  });
});

describe("the examples' pages", () => {
  const EXAMPLES = new URL("../../examples/", import.meta.url);
  /** These show the unmodified client of SockJS. */
  const SOCKJS_PAGES = ["cursors/public/app.js", "sockjs/public/app.js"];

  it("make no socket of their own: all connect by sendall/client, but for those of SockJS", () => {
    const paths = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" });
    const files = paths.filter((path) => /(?:^|\/)public\/.+\.(?:js|html)$/.test(path)).toSorted();
    const read = (path: string): string => readFileSync(new URL(path, EXAMPLES), "utf8");
    const filesWith = (pattern: RegExp): string[] => files.filter((path) => pattern.test(read(path)));
    expect(filesWith(/\b(?:WebSocket|EventSource)\b/)).toEqual([]);
    expect(filesWith(/new SockJS\(/)).toEqual(SOCKJS_PAGES);
    expect(filesWith(/import \{ connect \} from "\/sendall\/client\.js"/)).toEqual([
      ...["canvas", "channels", "chat", "express", "fastify", "loop", "machine"].map((name) => `${name}/public/app.js`),
      "page/public/cable.js",
      "page/public/try.js",
      "push/public/app.js",
      "sessions/public/app.js",
      "sessions/public/side.js",
      "tokens/public/app.js",
    ]);
  });

  const NAMES = ["canvas", "channels", "express", "fastify", "loop", "machine", "push", "sessions", "tokens"];

  it.each(NAMES)("come with all that they name, and nothing from elsewhere: %s", async (name) => {
    const { url } = await startExample(name);
    const page = await fetch(url);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    const named = Array.from((await page.text()).matchAll(/(?:href|src)="([^"]+)"/g), ([, path = ""]) => path);
    expect(named).toEqual(expect.arrayContaining(["page.css", "app.js", "icon.svg"]));
    for (const path of named) {
      expect(path).toMatch(/^[\w-]+\.\w+$/);
      const part = await fetch(new URL(path, url));
      expect(part.status).toBe(200);
      // What a module imports: beside the page's own modules only the client.
      for (const [, imported = ""] of path.endsWith(".js") ? (await part.text()).matchAll(/ from "(.+?)"/g) : []) {
        expect(imported).toMatch(/^(?:\.\/[\w-]+\.js|\/sendall\/client\.js)$/);
        expect((await fetch(new URL(imported, url))).status).toBe(200);
      }
    }
    for (const path of ["nothing", "parts.js", "server.js", "../server.js"])
      expect((await fetch(new URL(path, url))).status).toBe(404);
  });
});

describe("the limits example", () => {
  it("answers everything that is sent at once, the last of it later, and refuses nothing", async () => {
    const { url } = await startExample("limits");
    const client = await connect(url);
    const sent = ["a", "b", "c", "d", "e"];
    for (const text of sent) client.send(text);
    const answers: string[] = [];
    for (const _ of sent) answers.push(String(await client.next()));
    expect(answers.map((answer) => answer.replace(/^[\d.]+ /, ""))).toEqual(sent);
    const [first = 0, , , , fifth = 0] = answers.map((answer) => Number.parseFloat(answer));
    // Never earlier, however slow the machine is: four tokens are there, and the fifth takes half a second.
    expect((fifth - first + 60) % 60).toBeGreaterThanOrEqual(0.49);
  });
});

describe("the monitoring example", () => {
  it("has its metrics, a probe and a page at one port, and shows how long its handler takes", async () => {
    const { program, url } = await startExample("monitoring");
    const client = await connect(url);
    client.send("30");
    expect(await client.next()).toBe("30");
    const [, metrics = ""] = await program.stdout.next(/^Metrics: (\S+)$/);
    const text = await (await fetch(metrics)).text();
    expect(text).toContain('sendall_connections{route="*"} 1\n');
    expect(text).toContain('sendall_handler_seconds_bucket{route="*",le="0.025"} 1\n');
    expect(text).toContain('sendall_handler_seconds_count{route="*"} 2\n');
    expect((await fetch(new URL("/readyz", metrics))).status).toBe(200);
    expect(await (await fetch(new URL("/", metrics))).text()).toContain("<h1>Monitoring</h1>");
  });
});

describe("every example", () => {
  const NAMES = [
    "canvas",
    "channels",
    "chat",
    "client",
    "counter",
    "echo",
    "general",
    "limits",
    "loop",
    "machine",
    "monitoring",
    "multi",
    "push",
    "replies",
    "rooms",
    "sessions",
    "snapshot",
    "tokens",
    "tracing",
    "typed",
  ];

  /** Where the sockets are of those that have none at "/". */
  const SOCKETS: Record<string, string> = { chat: "/chat", client: "/chat", sessions: "/watch", tokens: "/cable" };

  it.each(NAMES)("leaves on a signal, with everybody told: %s", async (name) => {
    const { program, url } = await startExample(name);
    const client = await connect(new URL(SOCKETS[name] ?? "/", url).href.replace("http", "ws"));
    program.kill("SIGINT");
    expect((await client.closed).code).toBe(1001);
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
  });

  /** Examples whose HTTP server is a host's. A browser opens connections before it needs them. */
  const HOSTS = ["express", "fastify", "hono", "http"];

  it.each([...HOSTS, "chat"])(
    "leaves on a signal while a connection is open that has asked nothing: %s",
    async (name) => {
      const { program, url } = await startExample(name);
      const { hostname, port } = new URL(url);
      const silent = connectTcp(Number(port), hostname);
      await once(silent, "connect");
      // Answered after the silent connection, so the server has accepted both.
      await (await fetch(url)).text();
      program.kill("SIGTERM");
      expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
      silent.destroy();
    },
  );

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
    const all =
      "canvas, channels, chat, client, cluster, counter, cursors, echo, express, fastify, general, hono, http, limits, loop, machine, monitoring, multi, push, replies, rooms, sessions, snapshot, sockjs, tls, tokens, tracing, typed";
    expect(stderr).toEqual([`${problem}; there are ${all}`]);
  });
});
