/** The hooks of `sendall/react` with a protocol, in Chromium, with React 18 and React 19: typed clients, listeners by name, reducers by name. */
import { type Browser, chromium } from "playwright-core";
import { type Server, serve } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { complaintsAbout } from "../compiling.js";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { bundle, openPage, type PlayedPage, VERSIONS } from "./react-page.js";
import { requires } from "./requires.js";

/** Made in the page, and here for the server. */
const SPEC = `
  const any = (expected) => ({
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => (typeof value === expected ? { value } : { issues: [{ message: "expected a " + expected }] }),
    },
  });
  const spec = {
    fromClient: { say: any("string"), dump: any("undefined"), count: { input: any("undefined"), output: any("number") } },
    fromServer: { said: any("string"), counted: any("number"), constructor: any("string") },
  };`;

const chat = protocol(new Function(`${SPEC} return spec`)());

describe.skipIf(requires("chromium").skip).each(VERSIONS)("a typed client with React %s", (version) => {
  const program = requires("chromium");
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  });

  afterAll(() => browser?.close());

  async function openServer(): Promise<Server> {
    let count = 0;
    // The names are those of a program in text, unknown to the compiler.
    const maker = chat.fromServer as Record<string, (payload: unknown) => string>;
    const functions: Record<
      string,
      (payload: string, context: { connection: { send(data: unknown): void } }) => unknown
    > = {
      say(text, { connection }) {
        if (text === "no") throw refuse("NO", "not that");
        count++;
        connection.send(maker.said?.(text));
        connection.send(maker.counted?.(count));
        connection.send(maker.constructor?.("built"));
      },
      dump: (_payload, { connection }) => connection.send(new Uint8Array([1, 2, 3])),
      count: () => count,
    };
    const server = await serve({
      port: 0,
      logger: false,
      origins: "any",
      handler: chat.handler(functions as never),
    } as never);
    onTestFinished(() => server.close());
    return server;
  }

  /** A page with a protocol `chat`, another protocol `other`, and the address `url` of a server that speaks `chat`. */
  async function open(): Promise<PlayedPage> {
    const server = await openServer();
    const played = await openPage(browser, version);
    await played.run(`${SPEC}
      Object.assign(window, { chat: protocol(spec), other: protocol(spec), url: ${JSON.stringify(server.url)} });`);
    return played;
  }

  test("sends, calls and hears, and every component gets the same client", async () => {
    const { run } = await open();
    const result = await run(`
      const clients = [];
      const log = [];
      const App = ({ on }) => { clients.push(useClient(url, { protocol: chat, on })); return null; };
      show([h(App, { key: 1, on: { said: (text) => log.push(text) } }), h(App, { key: 2 })]);
      clients[0].send("say", "hi");
      const count = await clients[0].call("count");
      let refusal;
      try { clients[0].send("say", 5); } catch (error) { refusal = error.code; }
      return [count, log, clients[0] === clients[1], refusal, sockets.length, errors, complaints]`);
    expect(result).toEqual([1, ["hi"], true, "INVALID_MESSAGE", 1, [], []]);
  });

  test("tells each name in on to the latest listener of the first component that gives one, also of a later one", async () => {
    const { run } = await open();
    const log = await run(`
      const log = [];
      let client;
      const App = ({ name, names }) => {
        const on = Object.fromEntries(names.map((key) => [key, (payload) => log.push(name + " " + payload)]));
        client = useClient(url, { protocol: chat, on });
        return null;
      };
      const render = async (...apps) => {
        show(apps.map(([name, ...names], key) => h(App, { key, name, names })));
        client.send("say", "hi");
        await client.call("count");
        log.push("-");
      };
      await render(["a", "said"], ["b", "said", "counted"]);
      await render(["c", "said"], ["d", "said", "counted"], ["e", "constructor", "said"]);
      await render(["f"], ["g", "said", "constructor"]);
      return log`);
    expect(log).toEqual(["a hi", "b 1", "-", "c hi", "d 2", "e built", "-", "g hi", "g built", "-"]);
  });

  test("refuses another protocol, a protocol that comes late, and names that are not known, in an error boundary", async () => {
    const { run } = await open();
    const messages = await run(`
      const App = ({ options }) => { useClient(url, options); return null; };
      const Reduce = ({ reducers }) => { useMessages(useClient(url, { protocol: chat, key: "r" }), reducers, 0); return null; };
      const messages = [];
      const first = (key, options) => h(App, { key, options });
      const mount = async (key, others, node) => {
        show([...others, h(Boundary, { key }, node)]);
        await until(() => text() !== "");
        messages.push(text());
        show([]);
      };
      const late = [first("a", { key: "a", protocol: chat }), first("b", { key: "b" }), first("c", { key: "c", protocol: chat })];
      show(late);
      await mount("1", late, h(App, { options: { key: "a", protocol: other } }));
      show(late);
      await mount("2", late, h(App, { options: { key: "b", protocol: chat } }));
      show(late);
      await mount("3", late, h(App, { options: { key: "c", protocol: chat, on: { shout() {} } } }));
      await mount("4", [], h(App, { options: { key: "d", protocol: chat, on: { shout() {} } } }));
      await mount("5", [], h(App, { options: { key: "e", on: { said() {} } } }));
      await mount("6", [], h(Reduce, { reducers: { shout: (n) => n } }));
      return messages`);
    const known = '"open", "message", "close", "error", "said", "counted" or "constructor"';
    expect(messages).toEqual(
      [
        "protocol: expected the object that the other components give; another key is another client",
        "protocol: the other components have made the client without; another key is another client",
        `type: expected ${known}, got "shout"`,
        "on.shout: unknown; expected said, counted, constructor",
        "protocol: expected what protocol() has returned, which on and calls need, got undefined",
        `type: expected ${known}, got "shout"`,
      ].map((message) => `SendallError|BAD_OPTION|${message}`),
    );
  });

  test("another protocol is another client once the last component of the former has gone", async () => {
    const { run } = await open();
    const count = await run(`
      let client;
      const App = ({ protocol }) => { client = useClient(url, { protocol }); return useClientState(client).state; };
      show(h(App, { key: 1, protocol: chat }));
      await until(() => text() === "open");
      show(null);
      show(h(App, { key: 2, protocol: other }));
      await until(() => text() === "open");
      return [sockets.length, sockets[0].readyState > 1, await client.call("count")]`);
    expect(count).toEqual([2, true, 0]);
  });

  test("rejects calls with CLOSED while no component is mounted, and sends nothing", async () => {
    const { run } = await open();
    const result = await run(`
      let sent, call;
      const App = () => {
        const client = useClient(url, { protocol: chat });
        if (sent === undefined) {
          sent = client.send("say", "hi");
          call = client.call("count").catch((error) => [error.code, error.message]);
        }
        return null;
      };
      show(h(App));
      return [sent, await call]`);
    expect(result).toEqual([false, ["CLOSED", "call: no component is mounted; use useEffect"]]);
  });

  test("reduces by name in the order of the server, over the names of a batch, with the reducers of the latest rendering", async () => {
    const { run } = await open();
    const lists = await run(`
      let client;
      const add = (name) => (list, payload) => [...list, name + payload];
      const App = ({ names, reducers = Object.fromEntries(names.map((name) => [name, add(name + "=")])) }) => {
        client = useClient(url, { protocol: chat });
        return useMessages(client, reducers, []).join();
      };
      const lists = [];
      const say = async (expected) => {
        client.send("say", "a");
        client.send("say", "b");
        await until(() => text().endsWith(expected));
        lists.push(text());
      };
      show(h(StrictMode, null, h(App, { names: ["said", "counted"] })));
      await say("counted=2");
      show(h(StrictMode, null, h(App, { names: ["counted", "constructor"] })));
      await say("constructor=built,counted=4,constructor=built");
      return lists`);
    const early = "said=a,counted=1,said=b,counted=2";
    expect(lists).toEqual([early, `${early},counted=3,constructor=built,counted=4,constructor=built`]);
  });

  test("makes a typed page with JSX and schemas made by hand, which says hello", async () => {
    const entry = `
      import { useState } from "react";
      import { createRoot } from "react-dom/client";
      import { protocol } from "sendall/protocol";
      import { useClient, useMessages } from "sendall/react";

      const text = (...names) => ({
        "~standard": {
          version: 1,
          vendor: "by hand",
          validate(value) {
            const wrong = names.filter((name) => typeof Object(value)[name] !== "string");
            return wrong.length > 0 ? { issues: wrong.map((name) => ({ path: [name], message: "expected a text" })) } : { value };
          },
        },
      });
      const chat = protocol({ fromClient: { say: text("text") }, fromServer: { said: text("nick", "text") } });

      function Chat() {
        const [last, setLast] = useState("nobody");
        const client = useClient("/chat", { protocol: chat, on: { said: ({ nick }) => setLast(nick) } });
        const lines = useMessages(client, { said: (lines, { nick, text }) => [...lines, nick + ": " + text] }, []);
        return (
          <>
            <p>last: {last}</p>
            <ul>{lines.map((line, i) => <li key={i}>{line}</li>)}</ul>
            <button onClick={() => client.send("say", { text: "hello" })}>Say hello</button>
          </>
        );
      }

      createRoot(document.querySelector("main")).render(<Chat />);`;
    const lines = protocol({
      fromClient: { say: z.object({ text: z.string() }) },
      fromServer: { said: z.object({ nick: z.string(), text: z.string() }) },
    });
    const handler = lines.handler({
      say: ({ text }, { bus }) => bus.sendall(lines.fromServer.said({ nick: "Ann", text })),
    });
    const server = await serve({ port: 0, logger: false, origins: "any", handler });
    onTestFinished(() => server.close());
    const script = await bundle(version, entry.replace("/chat", `${server.url}/chat`), "browser");
    const { page } = await openPage(browser, version, { script });
    await page.click("button");
    await page.waitForSelector("li");
    expect(await page.innerText("main")).toMatch(/^last: Ann\s+Ann: hello\s+Say hello$/);
    expect(await page.evaluate("[errors, complaints]")).toEqual([[], []]);
  });

  test("a reducer that is a function hears binary frames alone", async () => {
    const { run } = await open();
    const result = await run(`
      let client;
      const App = () => {
        client = useClient(url, { protocol: chat });
        return useMessages(client, (list, bytes) => [...list, bytes.length], []).join();
      };
      show(h(App));
      client.send("say", "a");
      client.send("dump");
      await until(() => text() !== "");
      return text()`);
    expect(result).toBe("3");
  });
});

const CODE = `
import { connect, type TypedClient } from "sendall/client";
import { protocol } from "sendall/protocol";
import { useClient, useClientState, useMessages } from "sendall/react";
import { z } from "zod";
const chat = protocol({
  fromClient: { say: z.string(), join: { input: z.object({ room: z.string() }), output: z.number() } },
  fromServer: { said: z.object({ text: z.string() }), left: z.string() },
});
const client: TypedClient<typeof chat> = useClient("/chat", { protocol: chat, on: { said: ({ text }) => text.length } });
`;

test("the hooks know the payloads of a protocol, and the compiler says in words what does not fit", async () => {
  const programs = [
    `const state: string = useClientState(client).state;
     const list: string[] = useMessages(client, { said: (list, { text }) => [...list, text], left: (list, nick) => [...list, nick.trim()] }, [] as string[]);
     const annotated: string[] = useMessages(client, { said: (list: string[], { text }) => [...list, text] }, []);
     const size: number = useMessages(client, (size, bytes) => size + bytes.byteLength, 0);
     const count: number = useMessages(connect("/chat"), (count) => count + 1, 0);
     const members: Promise<number> = client.call("join", { room: "a" });
     export default [state, list, annotated, size, count, members];`,
    "useMessages(client, { shout: (n: number) => n }, 0);",
    "useMessages(client, { said: (n, { txt }) => n + txt }, 0);",
    "useMessages(client, { said: (n: number, { text }) => n + text }, 0 as number);",
    `client.send("sya", "hi");`,
    `useClient("/chat", { protocol: chat, on: { shout() {} } });`,
    `useClient("/chat", { on: { said() {} } });`,
    `useMessages(connect("/chat"), { said: (n: number) => n }, 0);`,
  ];
  const complaints = await complaintsAbout(programs.map((code) => `${CODE}${code}`));
  expect(complaints).toEqual([
    "",
    expect.stringContaining("'shout' does not exist in type 'MessageReducers<"),
    expect.stringContaining("Property 'txt' does not exist on type '{ text: string; }'"),
    expect.stringContaining("Type 'string' is not assignable to type 'number'"),
    expect.stringContaining(`Argument of type '"sya"' is not assignable to parameter of type '"say" |`),
    expect.stringContaining(
      "'shout' does not exist in type 'MessageListeners<{ readonly said: { text: string; }; readonly left: string; }>'",
    ),
    expect.stringContaining("is not assignable to type 'undefined'"),
    expect.stringContaining("Property 'call' is missing in type 'Client' but required in type 'ProtocolClient<"),
  ]);
});
