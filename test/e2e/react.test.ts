/** The hooks of `sendall/react` in Chromium, with React 18 and React 19: one socket for a component, or for many, and its end. */
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { bundle, openPage, type PlayedPage, VERSIONS } from "./react-page.js";
import { requires } from "./requires.js";

const program = requires("chromium");

describe.skipIf(program.skip).each(VERSIONS)("useClient with React %s", (version) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  });

  afterAll(() => browser?.close());

  /** A page in which time stands still. */
  const open = (): Promise<PlayedPage> => openPage(browser, version, { isPaused: true });

  /** A component that shows the state of its client. */
  const STATE = `
    const State = ({ url = "/echo", options, children }) => {
      const client = useClient(url, options);
      return h("b", null, useClientState(client).state, children);
    };`;
  const COUNT = "return [sockets.length, sockets.filter((socket) => socket.readyState < 2).length]";

  test("opens one socket in StrictMode, and closes the socket with 1000 a second after the component has gone", async () => {
    const { page, heard, run } = await open();
    await run(`${STATE} show(h(StrictMode, null, h(State))); await until(() => text() === "open"); show(null)`);
    await page.clock.runFor(999);
    expect(await run(COUNT)).toEqual([1, 1]);
    await page.clock.runFor(1);
    await run("await until(() => sockets[0].readyState === 3)");
    expect(await run("return [sockets.length, errors, complaints]")).toEqual([1, [], []]);
    await expect.poll(() => heard).toEqual(["/echo open", "/echo closed 1000"]);
  });

  test("shares a socket between components until the last has gone", async () => {
    const { page, run } = await open();
    await run(`${STATE}
      window.State = State;
      show([h(State, { key: 1 }), h("i", { key: 2 }, h(State)), h(State, { key: 3, options: { key: "other" } })]);
      await until(() => text() === "openopenopen")`);
    expect(await run(COUNT)).toEqual([2, 2]);
    await run("show([h(State, { key: 1 })])");
    await page.clock.runFor(1_000);
    expect(await run(COUNT)).toEqual([2, 1]);
    await run("show(null)");
    await page.clock.runFor(1_000);
    expect(await run(COUNT)).toEqual([2, 0]);
  });

  test("gives components of one client the same object, in each rendering", async () => {
    const { run } = await open();
    const clients = await run(`
      const clients = [];
      const One = () => { clients.push(useClient("/echo")); return null; };
      const Two = () => { clients.push(useClient(new URL("/echo", location.href).href)); return null; };
      show([h(One, { key: 1 }), h(One, { key: 2 }), h(Two, { key: 3 })]);
      show([h(One, { key: 1 }), h(One, { key: 2 }), h(Two, { key: 3 }), h(One, { key: 4 })]);
      return clients.map((client) => clients.indexOf(client))`);
    expect(clients).toEqual([0, 0, 2, 0, 0, 2, 0]);
  });

  test("keeps the socket when a component comes within a second, and opens the next when one comes later", async () => {
    const { page, run } = await open();
    await run(`${STATE} window.State = State; show(h(State)); await until(() => text() === "open"); show(null)`);
    await page.clock.runFor(999);
    expect(await run("show(h('i', null, h(State))); return text()")).toBe("open");
    await page.clock.runFor(5_000);
    expect(await run(COUNT)).toEqual([1, 1]);
    await run("show(null)");
    await page.clock.runFor(1_000);
    await run("show(h(State)); await until(() => text() === 'open')");
    expect(await run(COUNT)).toEqual([2, 1]);
  });

  test("leaves no socket for a rendering that React throws away", async () => {
    const { page, run } = await open();
    await run(`
      let renders = 0;
      const Never = () => {
        useClient("/suspended");
        renders++;
        throw new Promise(() => {});
      };
      show(h(Suspense, { fallback: "waiting" }, h(Never)));
      await until(() => text() === "waiting" && renders > 0);
      let setPage;
      const App = () => {
        const [page, set] = React.useState("first");
        setPage = set;
        return page === "second" ? h(Never) : page;
      };
      show(h(Suspense, { fallback: "waiting" }, h(App)));
      renders = 0;
      React.startTransition(() => setPage("second"));
      await until(() => renders > 0);
      flushSync(() => setPage("third"));
      await until(() => text() === "third")`);
    await page.clock.runFor(5_000);
    expect(await run("return [sockets.length, errors]")).toEqual([0, []]);
  });

  test("moves a component to another client when the address changes", async () => {
    const { page, heard, run } = await open();
    await run(`
      const App = ({ room }) => {
        const client = useClient("/" + room);
        React.useEffect(() => { client.send("hello " + room); }, [client, room]);
        return useClientState(client).state;
      };
      window.App = App;
      show(h(App, { room: "a" }));
      await until(() => text() === "open")`);
    await expect.poll(() => heard.length).toBe(2);
    await run("show(h(App, { room: 'b' })); await until(() => text() === 'open')");
    await page.clock.runFor(1_000);
    await expect.poll(() => heard.length).toBe(5);
    expect(heard.filter((line) => line.startsWith("/a"))).toEqual(["/a open", "/a hello a", "/a closed 1000"]);
    expect(heard.filter((line) => line.startsWith("/b"))).toEqual(["/b open", "/b hello b"]);
    expect(await run("return errors")).toEqual([]);
  });

  test("calls the callbacks of the latest rendering, and asks the latest function for the address", async () => {
    const { page, run } = await open();
    const result = await run(`
      const log = [];
      const App = ({ n }) => {
        const client = useClient(() => { log.push("asked " + n); return "/echo"; }, {
          key: "a",
          reconnect: { minMs: 50, maxMs: 50, jitter: 0 },
          onOpen: () => { log.push("open " + n); client.send("hi"); },
          onMessage: (data) => log.push(data + " " + n),
          onClose: ({ code }) => log.push("close " + code + " " + n),
        });
        window.client = client;
        return useClientState(client).state;
      };
      window.App = App;
      window.log = log;
      show(h(App, { n: 1 }));
      await until(() => log.length === 3);
      show(h(App, { n: 2 }));
      sockets[0].close();
      await until(() => text() === "waiting");
      show(h(App, { n: 3 }));`);
    expect(result).toBe(undefined);
    await page.clock.runFor(50);
    await run("await until(() => log.length === 7)");
    const expected = ["asked 1", "open 1", "hi 1", "close 1005 2", "asked 3", "open 3", "hi 3"];
    expect(await run("return log")).toEqual(expected);
  });

  test("takes each option from the first component that gives the option, parents before children", async () => {
    const { page, run } = await open();
    const log = await run(`
      const log = [];
      const Child = () => {
        useClient("/echo", { onOpen: () => log.push("child opens"), onMessage: (data) => log.push("child " + data) });
        return null;
      };
      const App = ({ isLate }) => {
        const client = useClient("/echo", { onOpen: () => { log.push("parent opens"); client.send("hi"); }, onMessage: undefined });
        return isLate ? null : h(Child);
      };
      const Last = () => {
        window.last = useClient("/echo", { onMessage: (data) => log.push("last " + data) });
        return null;
      };
      show([h(App, { key: 1 }), h(Last, { key: 2 })]);
      await until(() => log.length === 2);
      show([h(App, { key: 1, isLate: true }), h(Last, { key: 2 })]);
      last.send("ho");
      await until(() => log.length === 3);
      return log`);
    expect(log).toEqual(["parent opens", "child hi", "last ho"]);
    await run("show(null)");
    await page.clock.runFor(1_000);
    expect(await run(COUNT)).toEqual([1, 0]);
  });

  test("calls the callbacks of the last component in the second after it has gone, so a login is not forgotten", async () => {
    const { run } = await open();
    const log = await run(`
      const log = [];
      const App = () => { useClient("/echo", { onOpen: () => log.push("login") }); return null; };
      show(h(App));
      show(null);
      await until(() => log.length === 1);
      return log`);
    expect(log).toEqual(["login"]);
  });

  test("reports a callback that throws to onError, and to the console where there is none", async () => {
    const { run } = await open();
    expect(
      await run(`
        const seen = [];
        const App = ({ options }) => { useClient("/greeting", options); return null; };
        const onMessage = () => { throw new Error("mistake"); };
        show(h(App, { options: { key: "b", onMessage, onError: ({ code }) => seen.push(code) } }));
        await until(() => seen.length === 100);
        complaints.length = 0;
        show(h(App, { options: { key: "c", onMessage } }));
        await until(() => complaints.length === 100);
        return [seen[0], complaints[0]]`),
    ).toEqual(["CALLBACK_FAILED", expect.stringContaining('the callback for "message" failed: mistake')]);
  });

  test("lets effects of children send, listen and open channels, in the first commit", async () => {
    const { heard, run } = await open();
    const log = await run(`
      const log = [];
      const Child = ({ client }) => {
        React.useEffect(() => {
          client.send("from a child");
          client.opened.then(() => log.push("opened"));
          const channel = client.channel("news");
          log.push(channel.name);
          const stop = client.on("message", (data) => log.push(data));
          return () => { stop(); channel.close(); };
        }, [client]);
        return null;
      };
      const App = () => {
        const client = useClient("/echo");
        return h(Child, { client });
      };
      show(h(App));
      await until(() => log.includes("from a child") && log.includes("opened"));
      return log`);
    expect(log).toEqual(["news", "opened", "sub,news", "from a child"]);
    expect(heard).toEqual(["/echo open", "/echo sub,news", "/echo from a child"]);
  });

  test("that a program closes stays closed, and the next component opens another", async () => {
    const { page, run } = await open();
    await run(`
      const App = () => {
        window.client = useClient("/echo");
        return useClientState(client).state;
      };
      window.App = App;
      show(h(StrictMode, null, h(App)));
      await until(() => text() === "open");
      client.close(4001);
      await until(() => text() === "closed");
      show(h(App, { key: 2 }));
      await until(() => text() === "closed");
      show(null)`);
    await page.clock.runFor(0);
    await run("show(h(App)); await until(() => text() === 'open')");
    expect(await run(COUNT)).toEqual([2, 1]);
  });

  test("does nothing while no component is mounted", async () => {
    const { page, run } = await open();
    await run(`
      const App = () => { window.client = useClient("/echo"); return null; };
      show(h(App));
      await client.opened;
      show(null);`);
    await page.clock.runFor(1_000);
    const result = await run(`
      let refusal;
      try { client.channel("news"); } catch (error) { refusal = error; }
      client.on("message", () => {})();
      return [client.send("late"), client.close(), client.state, client.pending, refusal.code, refusal.message, sockets.length]`);
    expect(result).toEqual([
      false,
      false,
      "connecting",
      0,
      "CLOSED",
      "channel: no component is mounted; use useEffect",
      1,
    ]);
  });

  test("tells the next component nothing of the end of the former connection", async () => {
    const { page, run } = await open();
    await run(`
      const log = window.log = [];
      const App = ({ name }) => {
        const client = useClient("/echo", { onClose: ({ code }) => log.push(name + " " + code) });
        return useClientState(client).state;
      };
      window.App = App;
      show(h(App, { key: 1, name: "first" }));
      await until(() => text() === "open");
      // The close handshake takes its time.
      sockets[0].close = () => {};
      show(null)`);
    await page.clock.runFor(1_000);
    const log = await run(`
      show(h(App, { key: 2, name: "second" }));
      await until(() => text() === "open");
      sockets[0].dispatchEvent(new CloseEvent("close", { code: 1000, wasClean: true }));
      return log`);
    expect(log).toEqual(["first 1000"]);
  });

  test.runIf(version > 18)(
    "follows Activity: hidden components have no socket, and come back with another",
    async () => {
      const { page, run } = await open();
      await run(`
      const List = ({ client }) => useMessages(client, (list, message) => [...list, message], []).join();
      const App = () => {
        const client = window.client = useClient("/echo");
        return h("i", null, useClientState(client).state, h(List, { client }));
      };
      window.showAs = (mode) => show(h(React.Activity, { mode }, h(App)));
      showAs("hidden");
      await tick()`);
      await page.clock.runFor(1_000);
      expect(await run(COUNT)).toEqual([0, 0]);
      await run("showAs('visible'); await until(() => text() === 'open'); client.send('a'); showAs('hidden')");
      await page.clock.runFor(1_000);
      expect(await run(COUNT)).toEqual([1, 0]);
      await run(`
        showAs("visible");
        let arrived = 0;
        client.on("message", () => arrived++);
        client.send("b");
        await until(() => arrived > 0)`);
      await page.clock.runFor(16);
      expect(await run("await until(() => text().endsWith('b')); return [sockets.length, errors]")).toEqual([2, []]);
    },
  );

  test("takes the closing timer from the clock of the class of sockets", async () => {
    const { run } = await open();
    const result = await run(`
      const timers = new Map();
      const fake = {
        setTimeout: (ring, ms) => { timers.set(timers.size + 1, { ring, ms }); return timers.size; },
        clearTimeout: (id) => timers.delete(id),
        random: () => 0,
      };
      class Own extends WebSocket { static [Symbol.for("sendall.clock")] = fake; }
      const App = () => useClientState(useClient("/echo", { WebSocket: Own })).state;
      show(h(App));
      await until(() => text() === "open");
      timers.clear();
      show(null);
      const [[, { ring, ms }]] = timers;
      ring();
      return [ms, sockets[0].readyState]`);
    expect(result).toEqual([1000, 2]);
  });

  test("makes a page with JSX, which says hello", async () => {
    const code = `
      import { createRoot } from "react-dom/client";
      import { useClient, useClientState, useMessages } from "sendall/react";

      function Chat() {
        const client = useClient("/chat");
        const { state } = useClientState(client);
        const lines = useMessages(client, (lines, line) => [...lines, line], []);
        return (
          <>
            <p>{state}</p>
            <ul>{lines.map((line, i) => <li key={i}>{line}</li>)}</ul>
            <button onClick={() => client.send("hello")}>Say hello</button>
          </>
        );
      }

      createRoot(document.querySelector("main")).render(<Chat />);`;
    const { page, heard } = await openPage(browser, version, { script: await bundle(version, code, "browser") });
    await page.waitForSelector("text=open");
    await page.click("button");
    await page.waitForSelector("li");
    expect(await page.innerText("main")).toMatch(/^open\s+hello\s+Say hello$/);
    expect(heard).toEqual(["/chat open", "/chat hello"]);
    expect(await page.evaluate("[errors, complaints]")).toEqual([[], []]);
  });

  test("refuses mistakes in words, with an error that an error boundary catches", async () => {
    const mistakes = {
      "useClient('/', null)": "options: expected an object, got null",
      "useClient('/', { key: 5 })": "key: expected a string, which a function as url needs, got number",
      "useClient(() => '/')": "key: expected a string, which a function as url needs, got undefined",
      "useClient('/', { onMesage() {} })": expect.stringContaining(
        "onMesage: unknown option: the options are protocols",
      ),
      "useClient('/', { onMessage: 5 })": "onMessage: expected a function, got 5",
      "useClient()":
        "url: expected a URL that begins with ws://, wss://, http:// or https://, without a fragment; relative in a page alone, got undefined",
      "useClient('ftp:x')":
        'url: expected a URL that begins with ws://, wss://, http:// or https://, without a fragment; relative in a page alone, got "ftp:x"',
      "useClientState()": "client: expected a client of useClient or connect, got undefined",
      "useClientState({})": "client: expected a client of useClient or connect, got undefined",
      "useMessages({}, () => 0, 0)": "client: expected a client of useClient or connect, got undefined",
      "useMessages(createSource(), 'x', 0)":
        "reducer: expected a function, or an object of functions by name, got string",
      "useMessages(createSource(), { said: 5 }, 0)": "reducer.said: expected a function, got number",
    };
    const { run } = await open();
    const answers: Record<string, unknown> = {};
    for (const call of Object.keys(mistakes))
      answers[call] = await run(`
        const App = () => { ${call}; return null; };
        show(h(Boundary, { key: ${JSON.stringify(call)} }, h(App)));
        await until(() => text() !== "");
        return text()`);
    const expected = Object.entries(mistakes).map(([call, message]) => [call, message]);
    const told = Object.entries(answers).map(([call, answer]) => [
      call,
      String(answer).replace("SendallError|BAD_OPTION|", ""),
    ]);
    expect(told).toEqual(expected);
    expect(Object.values(answers).every((answer) => String(answer).startsWith("SendallError|BAD_OPTION|"))).toBe(true);
  });

  test("useClientState renders once for each status", async () => {
    const { run } = await open();
    const states = await run(`
      const states = [];
      const App = () => {
        window.client = useClient("/echo");
        states.push(useClientState(client).state);
        return null;
      };
      show(h(App));
      await until(() => states.includes("open"));
      client.close();
      await until(() => states.includes("closed"));
      return states`);
    expect(states).toEqual(["connecting", "open", "closing", "closed"]);
  });
});
