/** Rejections that a handler leaks, in a process of its own: the test runner has listeners for them, too. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a program to its end. */
async function run(
  source: string,
  ...flags: readonly string[]
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const child = spawn(process.execPath, [...flags, "--input-type=module", "-e", source], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, "close");
  return { code, output: output.trim(), errors };
}

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
  const { code, output, errors } = await run(`${PRELUDE}
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
    const { code, errors } = await run(
      `${PRELUDE} ${before} Promise.reject(new Error("not of a handler")); await new Promise(() => {});`,
    );
    expect(code).toBe(1);
    expect(errors).toContain("Error: not of a handler");
  }
});

test("the program's own listener hears of what is not a handler's, and decides", async () => {
  const { code, output } = await run(`${PRELUDE}
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
  const { code } = await run(source, "--unhandled-rejections=warn");
  expect(code).toBe(0);
});

test("what a handler leaves behind does not keep the connection alive whose event it was", async () => {
  const { code, output } = await run(
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
  const { code, output } = await run(`
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
