/** What a handler leaves behind and fails later, in a process of its own: the test runner has listeners of the same kind. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";
import { runToEnd, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A server whose handler leaks a rejection when it is told to, at once and out of a timer, and two clients. */
const PRELUDE = `
  import { once } from "node:events";
  import { serve } from "sendall";
  import { WebSocket } from "ws";
  const server = await serve({
    port: 0,
    logger: false,
    supervise: { intensity: 1 },
    handler(event, bus) {
      if (event.type === "message" && event.text === "at once") Promise.reject(new Error("leaked at once"));
      if (event.type === "message" && event.text === "later") setTimeout(async () => { throw new Error("leaked later"); }, 1);
      if (event.type === "message") bus.unicast("answer", event.connection);
    },
  });
  const [bad, good] = [new WebSocket(server.url), new WebSocket(server.url)];
  await Promise.all([once(bad, "open"), once(good, "open")]);
`;

test("a leaked rejection is noted and charged to the connection, and everybody else goes on", async () => {
  const { code, output, errors } = await runToEnd(`${PRELUDE}
    bad.send("at once");
    bad.send("later");
    const [closeCode, reason] = await once(bad, "close");
    good.send("hello");
    const [answer] = await once(good, "message");
    const failures = server.stats().failures.map(({ event, connection, error }) => [event, typeof connection, error.message]);
    console.log(JSON.stringify([closeCode, String(reason), String(answer), failures]));
    await server.close();
  `);
  expect([code, errors]).toEqual([0, ""]);
  expect(JSON.parse(output)).toEqual([
    1011,
    "handler failed",
    "answer",
    [
      ["rejection", "string", "leaked at once"],
      ["rejection", "string", "leaked later"],
    ],
  ]);
});

test("a rejection of other code ends the process as it would without us, while a server runs and after", async () => {
  for (const before of ["", "await server.close();"]) {
    const { code, errors } = await runToEnd(
      `${PRELUDE} ${before} Promise.reject(new Error("not of a handler")); await new Promise(() => {});`,
    );
    expect(code).toBe(1);
    expect(errors).toContain("Error: not of a handler");
  }
});

test("the program's own listener hears of what is not a handler's, and decides", async () => {
  const { code, output } = await runToEnd(`${PRELUDE}
    process.on("unhandledRejection", (reason) => {
      console.log(reason.message);
      void server.close();
    });
    Promise.reject(new Error("mine"));
  `);
  expect([code, output]).toEqual([0, "mine"]);
});

test("where the program was told to warn of rejections, it is warned and goes on", async () => {
  const source = `${PRELUDE} Promise.reject(new Error("only a warning")); setImmediate(() => void server.close()); bad.terminate(); good.terminate();`;
  const { code } = await runToEnd(source, "--unhandled-rejections=warn");
  expect(code).toBe(0);
});

/** Ways in which code throws outside the call of its event, by what a peer sends. */
const THROWS = `
  const throws = {
    setTimeout: () => setTimeout(() => { throw new Error("setTimeout"); }, 1),
    setInterval: () => { const timer = setInterval(() => { clearInterval(timer); throw new Error("setInterval"); }, 1); },
    setImmediate: () => setImmediate(() => { throw new Error("setImmediate"); }),
    nextTick: () => process.nextTick(() => { throw new Error("nextTick"); }),
    afterAwait: () => void Promise.resolve().then(() => setImmediate(() => { throw new Error("afterAwait"); })),
    callbackOfFs: () => stat(".", () => { throw new Error("callbackOfFs"); }),
    errorWithoutListener: () => createReadStream("/there/is/no/such/file"),
    socketWithoutListener: () => connect({ host: "127.0.0.1", port: 1 }),
    frozen: () => setImmediate(() => { throw Object.freeze(new Error("frozen")); }),
    noError: () => setImmediate(() => { throw "a string"; }),
  };
`;

/** A server whose handler does these, two clients, and what is noted of each. */
const THROWING = `
  import { once } from "node:events";
  import { createReadStream, stat } from "node:fs";
  import { connect } from "node:net";
  import { serve } from "sendall";
  import { WebSocket } from "ws";
  ${THROWS}
  const server = await serve({
    port: 0,
    logger: false,
    supervise: { intensity: 100 },
    handler(event, bus) {
      if (event.type === "open") event.connection.signal.addEventListener("abort", () => { throw new Error("signal"); });
      if (event.type !== "message") return;
      throws[event.text]?.();
      bus.unicast("answer", event.connection);
    },
  });
  const [bad, good] = [new WebSocket(server.url), new WebSocket(server.url)];
  await Promise.all([once(bad, "open"), once(good, "open")]);
  const noted = async (count) => {
    while (server.stats().failures.length < count) await new Promise(setImmediate);
    return server.stats().failures;
  };
`;

test("an exception that the handler throws outside its call is noted, and everybody goes on", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING}
    const seen = {};
    let count = 0;
    for (const name of Object.keys(throws)) {
      bad.send(name);
      const { event, connection, error } = (await noted(++count)).at(-1);
      seen[name] = [event, typeof connection, String(error?.message ?? error)];
    }
    good.send("hello");
    const [answer] = await once(good, "message");
    console.log(JSON.stringify([seen, String(answer), bad.readyState]));
    process.exit();
  `);
  expect([code, errors]).toEqual([0, ""]);
  const told = (message: unknown) => ["exception", "string", message];
  expect(JSON.parse(output)).toEqual([
    {
      setTimeout: told("setTimeout"),
      setInterval: told("setInterval"),
      setImmediate: told("setImmediate"),
      nextTick: told("nextTick"),
      afterAwait: told("afterAwait"),
      callbackOfFs: told("callbackOfFs"),
      errorWithoutListener: told(expect.stringContaining("ENOENT")),
      socketWithoutListener: told(expect.stringContaining("ECONNREFUSED")),
      frozen: told("frozen"),
      noError: told("a string"),
    },
    "answer",
    1,
  ]);
});

test("what a listener of connection.signal throws is noted as an exception of the handler", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING}
    bad.close();
    const [{ event, error }] = await noted(1);
    good.send("hello");
    const [answer] = await once(good, "message");
    console.log(event, error.message, String(answer));
    process.exit();
  `);
  expect([code, output, errors]).toEqual([0, "exception signal answer", ""]);
});

test("more exceptions than supervise.intensity close the connection that causes them, and no other", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING.replace("intensity: 100", "intensity: 1")}
    bad.send("setTimeout");
    bad.send("nextTick");
    const [closeCode, reason] = await once(bad, "close");
    good.send("hello");
    const [answer] = await once(good, "message");
    console.log(closeCode, String(reason), String(answer));
    process.exit();
  `);
  expect([code, output, errors]).toEqual([0, "1011 handler failed answer", ""]);
});

test("under --unhandled-rejections=strict a leaked rejection is charged once", async () => {
  const { code, output } = await runToEnd(
    `${PRELUDE.replace("intensity: 1", "intensity: 100")}
    bad.send("at once");
    bad.send("later");
    const failures = () => server.stats().failures.map(({ event }) => event);
    while (failures().length < 2) await new Promise(setImmediate);
    bad.send("hello");
    await once(bad, "message");
    console.log(failures().join());
    process.exit();`,
    "--unhandled-rejections=strict",
  );
  expect([code, output]).toEqual([0, "rejection,rejection"]);
});

test("an exception of other code ends the process as it would without us", async () => {
  const throwing = `
    process.on("exit", (code) => console.log("exit", code));
    const timer = setInterval(() => {}, 1_000);
    setTimeout(function mine() { throw new TypeError("not of a handler"); }, 1);
  `;
  const without = await runToEnd(throwing);
  const beside = await runToEnd(`${PRELUDE} ${throwing}`);
  const stackOf = (errors: string): string => /TypeError: [\s\S]*?at .*mine/.exec(errors)?.[0] ?? errors;
  expect(without).toMatchObject({ code: 1, output: "exit 1", errors: expect.stringContaining("Node.js v") });
  expect(beside).toMatchObject({ code: 1, output: "exit 1", errors: expect.stringContaining("Node.js v") });
  expect(stackOf(beside.errors)).toBe(stackOf(without.errors));
});

test("a rejection of other code is reported by Node in its own words", async () => {
  const rejecting = `Promise.reject("no error"); const timer = setInterval(() => {}, 1_000);`;
  const said = /UnhandledPromiseRejection: This error[\s\S]*code: 'ERR_UNHANDLED_REJECTION'/;
  expect(await runToEnd(rejecting)).toMatchObject({ code: 1, errors: expect.stringMatching(said) });
  expect(await runToEnd(`${PRELUDE} ${rejecting}`)).toMatchObject({ code: 1, errors: expect.stringMatching(said) });
});

test("a listener of the program for uncaught exceptions hears of all of them, and decides on its own", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING}
    const heard = [];
    process.on("uncaughtException", (error, origin) => heard.push(error.message + " " + origin));
    setImmediate(() => { throw new Error("mine"); });
    while (heard.length < 1) await new Promise(setImmediate);
    Promise.reject(new Error("mine"));
    while (heard.length < 2) await new Promise(setImmediate);
    bad.send("setTimeout");
    const failures = await noted(1);
    console.log(heard.join(), failures.map(({ event }) => event).join());
    process.exit();
  `);
  const heard = "mine uncaughtException,mine unhandledRejection,setTimeout uncaughtException";
  expect([code, output, errors]).toEqual([0, `${heard} exception`, ""]);
});

test("what one copy of the package owns does not end the process through another copy", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sendall-"));
  try {
    copyFileSync(join(root, "dist/runtime/unhandled-rejections.js"), join(folder, "copy.mjs"));
    const copy = pathToFileURL(join(folder, "copy.mjs")).href;
    const { code, output, errors } = await runToEnd(`
      import { watchLeaks } from "${copy}";
      watchLeaks();
      const { once } = await import("node:events");
      const { serve } = await import("sendall");
      const { WebSocket } = await import("ws");
      const server = await serve({
        port: 0,
        logger: false,
        handler({ type, text }) {
          if (text === "throw") setImmediate(() => { throw new Error("thrown"); });
          if (text === "reject") Promise.reject(new Error("rejected"));
        },
      });
      const peer = new WebSocket(server.url);
      await once(peer, "open");
      peer.send("throw");
      peer.send("reject");
      while (server.stats().failures.length < 2) await new Promise(setImmediate);
      console.log("alive");
      process.exit();
    `);
    expect([code, output, errors]).toEqual([0, "alive", ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what authorize, onRequest and onAccess leave behind is logged and ends nothing", async () => {
  const { code, output, errors } = await runToEnd(`
    import { once } from "node:events";
    import { serve } from "sendall";
    import { WebSocket } from "ws";
    const lines = [];
    const keep = (details, line) => void lines.push(line + ": " + details.err?.message);
    const logger = { level: "info", debug() {}, info() {}, warn() {}, error: keep, child: () => logger };
    const leak = (name) => {
      setImmediate(() => { throw new Error(name); });
      Promise.reject(new Error(name));
    };
    const server = await serve({
      port: 0,
      logger,
      authorize({ signal }) {
        leak("authorize");
        return {};
      },
      onRequest(request, response) {
        leak("onRequest");
        response.end("page");
      },
      async onAccess({ type }) {
        leak(type);
      },
      handler() {},
    });
    const peer = new WebSocket(server.url);
    await once(peer, "open");
    const page = await (await fetch(server.url.replace("ws", "http"))).text();
    while (lines.length < 8) await new Promise(setImmediate);
    console.log(JSON.stringify([page, lines.sort(), server.stats().failures, server.isReady]));
    process.exit();
  `);
  expect([code, errors]).toEqual([0, ""]);
  expect(JSON.parse(output)).toEqual([
    "page",
    [
      "authorize leaked a rejection: authorize",
      "authorize leaked an exception: authorize",
      "onAccess leaked a rejection: request",
      "onAccess leaked a rejection: upgrade",
      "onAccess leaked an exception: request",
      "onAccess leaked an exception: upgrade",
      "onRequest leaked a rejection: onRequest",
      "onRequest leaked an exception: onRequest",
    ],
    [],
    true,
  ]);
});

test("what resume.verify leaves behind is logged, is charged to nobody and ends nothing", async () => {
  const { code, output, errors } = await runToEnd(`
    import { once } from "node:events";
    import { serve } from "sendall";
    import { WebSocket } from "ws";
    const lines = [];
    const keep = (details, line) => void lines.push(line + ": " + details.err?.message);
    const logger = { level: "info", debug() {}, info() {}, warn() {}, error: keep, child: () => logger };
    const server = await serve({
      port: 0,
      logger,
      resume: {
        verify() {
          setImmediate(() => { throw new Error("late"); });
          Promise.reject(new Error("lost"));
          return true;
        },
      },
      handler() {},
    });
    const welcome = async (...offers) => {
      const peer = new WebSocket(server.url, ["sendall.1", ...offers]);
      const [data] = await once(peer, "message");
      return { peer, ...JSON.parse(String(data).slice(1)) };
    };
    const { peer, session } = await welcome();
    peer.terminate();
    const { resumed } = await welcome("sendall.1." + session + ".0.0.1");
    while (lines.length < 2) await new Promise(setImmediate);
    console.log(JSON.stringify([resumed, lines.sort(), server.stats().failures, server.isReady]));
    process.exit();
  `);
  expect([code, errors]).toEqual([0, ""]);
  expect(JSON.parse(output)).toEqual([
    true,
    ["resume.verify leaked a rejection: lost", "resume.verify leaked an exception: late"],
    [],
    true,
  ]);
});

test("what a handler leaves behind does not keep the connection alive whose event it was", async () => {
  const { code, output } = await runToEnd(
    `
    import { createTestRuntime } from "sendall/testing";
    let pool;
    const seen = [];
    const runtime = createTestRuntime({
      handler(event) {
        if (event.type !== "open") return;
        pool ??= setInterval(() => {}, 1_000);
        seen.push(new WeakRef(event.connection));
      },
    });
    const client = await runtime.connect();
    client.close();
    await runtime.settle();
    for (let i = 0; i < 10; i++) {
      await new Promise(setImmediate);
      gc();
    }
    console.log(seen.length, seen[0].deref() === undefined);
    clearInterval(pool);
    await runtime.close();
  `,
    "--expose-gc",
  );
  expect([code, output]).toEqual([0, "1 true"]);
});

test("what init has set going is charged to the handler when it leaks: too much of it ends the server, not the process", async () => {
  const { code, output } = await runToEnd(`
    import { serve } from "sendall";
    let timer;
    const server = await serve({
      port: 0,
      logger: false,
      supervise: { intensity: 1 },
      handler: {
        init() {
          timer = setInterval(async () => { throw new Error("the interval failed"); }, 1);
        },
        handle() {},
        stop() {
          clearInterval(timer);
        },
      },
    });
    const { reason, error } = await server.closed;
    console.log(reason, error.message);
  `);
  expect([code, output]).toEqual([0, "handler the interval failed"]);
});
