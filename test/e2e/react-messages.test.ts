/** `useMessages` in Chromium, with React 18 and React 19: what comes between two frames, and before, between and after commits. */
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { openPage, VERSIONS } from "./react-page.js";
import { requires } from "./requires.js";

const program = requires("chromium");

describe.skipIf(program.skip).each(VERSIONS)("useMessages with React %s", (version) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  });

  afterAll(() => browser?.close());

  /** A list of messages; each rendering is noted. */
  const LIST = `
    const add = (list, message) => [...list, message];
    const renders = [];
    const List = ({ client, reducer = add, initial = [] }) => {
      const list = useMessages(client, reducer, initial);
      renders.push(list.length);
      return list.join();
    };
    Object.assign(window, { List, renders });
    const source = window.source = createSource();
    const count = (from, to) => Array.from({ length: to - from }, (_, i) => String(from + i));
    Object.assign(window, { count });`;

  test("renders once for a thousand messages of a frame", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      const App = () => {
        window.client = useClient("/echo");
        return h(List, { client });
      };
      let arrived = 0;
      show(h(App));
      client.on("message", () => arrived++);
      client.send("burst 1000");
      await until(() => arrived === 1000)`);
    expect(await run("return renders")).toEqual([0]);
    await page.clock.runFor(16);
    expect(
      await run("await until(() => renders.length > 1); return [renders, text() === count(0, 1000).join()]"),
    ).toEqual([[0, 1_000], true]);
  });

  test("shows messages of a hidden page after 100 ms, and keeps at most 10,000 waiting", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    // A hidden page asks for frames, and gets none.
    await run(`window.requestAnimationFrame = () => 1; ${LIST}
      show(h(List, { client: source }));
      source.emit("a")`);
    await page.clock.runFor(99);
    expect(await run("return renders")).toEqual([0]);
    await page.clock.runFor(1);
    expect(await run("await until(() => text() === 'a'); return renders")).toEqual([0, 1]);
    const sizes = await run(`
      for (let i = 0; i < 10_005; i++) source.emit("b");
      await until(() => renders.length > 2);
      return renders`);
    expect(sizes).toEqual([0, 1, 10_001]);
    await page.clock.runFor(100);
    expect(await run("await until(() => renders.length > 3); return renders.at(-1)")).toBe(10_006);
  });

  test("hears every message from the first on, in the component with the client and in its children", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      const App = () => {
        const client = useClient("/greeting");
        const list = useMessages(client, add, []);
        return [list.join(), h("i", { key: 1 }, "|", h(List, { client }))];
      };
      let arrived = 0;
      addEventListener("arrived", () => arrived++);
      const Counter = () => {
        const client = useClient("/greeting");
        React.useEffect(() => client.on("message", () => arrived++), [client]);
        return null;
      };
      show([h(StrictMode, { key: 1 }, h(App)), h(Counter, { key: 2 })]);
      await until(() => arrived === 100)`);
    await page.clock.runFor(16);
    const expected = Array.from({ length: 100 }, (_, i) => i).join();
    expect(await run("await until(() => text().length > 2); return text()")).toBe(`${expected}|${expected}`);
  });

  test("hears what comes between the commit and the effects", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      const App = () => {
        React.useLayoutEffect(() => source.emit("early"), []);
        return null;
      };
      show([h(List, { key: 1, client: source }), h(App, { key: 2 })])`);
    await page.clock.runFor(16);
    expect(await run("await until(() => text() !== ''); return text()")).toBe("early");
  });

  test("uses the latest reducer, which StrictMode may call twice", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      const prefix = (letter) => (list, message) => [...list, letter + message];
      show(h(StrictMode, null, h(List, { client: source, reducer: prefix("a") })));
      source.emit("1");
      show(h(StrictMode, null, h(List, { client: source, reducer: prefix("b") })));
      source.emit("2")`);
    await page.clock.runFor(16);
    expect(await run("await until(() => text() !== ''); return text()")).toBe("b1,b2");
  });

  test("begins anew with another client, and forgets what the former still brings", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      window.second = createSource();
      const initials = [];
      const Initial = ({ client }) => {
        const list = useMessages(client, add, ["start"]);
        if (!initials.includes(list)) initials.push(list);
        return list.join();
      };
      Object.assign(window, { Initial, initials });
      show(h(Initial, { client: source }));
      source.emit("a")`);
    await page.clock.runFor(16);
    await run(`
      await until(() => text() === "start,a");
      source.emit("b");
      show(h(Initial, { client: second }))`);
    expect(await run("return [text(), source.listeners.size, second.listeners.size]")).toEqual(["start", 0, 1]);
    await run("source.emit('c'); second.emit('d'); show(h(Initial, { client: second }))");
    await page.clock.runFor(16);
    expect(await run("await until(() => text() !== 'start'); return text()")).toBe("start,d");
    // The initial state stays the same object while nothing comes.
    expect(await run("return initials.length")).toBe(4);
  });

  test("stops listening when the component has gone", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    const sizes = await run(`${LIST}
      const sizes = [];
      const note = () => sizes.push(source.listeners.size);
      show(h(StrictMode, null, h(List, { client: source })));
      note();
      source.emit("a");
      show(null);
      note();
      return sizes`);
    expect(sizes).toEqual([1, 0]);
    await page.clock.runFor(1_000);
    expect(await run("return [errors, complaints]")).toEqual([[], []]);
  });

  test("goes on hearing while a Suspense boundary hides the component", async () => {
    const { page, run } = await openPage(browser, version, { isPaused: true });
    await run(`${LIST}
      let isWaiting = false;
      let release;
      const promise = new Promise((resolve) => { release = resolve; });
      const Sibling = () => {
        if (isWaiting) throw promise;
        return null;
      };
      const App = () => h(Suspense, { fallback: "…" }, h("i", null, h(List, { client: source })), h(Sibling));
      show(h(App));
      isWaiting = true;
      show(h(App));
      window.isHidden = document.querySelector("i").style.display === "none";
      source.emit("a");
      window.reveal = () => { isWaiting = false; release(); };`);
    expect(await run("return [isHidden, source.listeners.size]")).toEqual([true, 1]);
    await page.clock.runFor(16);
    await run("reveal(); source.emit('b')");
    await page.clock.runFor(5_000);
    expect(await run("await until(() => text() === 'a,b'); return source.listeners.size")).toBe(1);
  });

  test("shows the same messages in each component of a commit, also in the middle of a transition", async () => {
    const { run } = await openPage(browser, version);
    const result = await run(`
      const source = createSource();
      let tornCommits = 0;
      let interruptions = 0;
      const Slow = ({ n, isBusy }) => {
        const count = useMessages(source, (count) => count + 1, 0);
        if (isBusy) {
          const end = performance.now() + 4;
          while (performance.now() < end);
          if (n === 10 && interruptions++ === 0) queueMicrotask(() => { for (let i = 0; i < 10; i++) source.emit("x"); });
        }
        return h("i", { "data-busy": isBusy }, count);
      };
      let setBusy;
      const App = () => {
        const [isBusy, set] = React.useState(false);
        setBusy = set;
        return Array.from({ length: 40 }, (_, n) => h(Slow, { key: n, n, isBusy }));
      };
      new MutationObserver(() => {
        const shown = new Set([...document.querySelectorAll("i")].map((element) => element.textContent));
        if (shown.size > 1) tornCommits++;
      }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
      show(h(App));
      React.startTransition(() => setBusy(true));
      await until(() => document.querySelectorAll("[data-busy=true]").length === 40 && text() === "10".repeat(40));
      return [tornCommits, interruptions > 0]`);
    expect(result).toEqual([0, true]);
  });
});
