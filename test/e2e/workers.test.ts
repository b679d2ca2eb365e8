/** Many processes on one port: `sendall serve --workers`, and a program that forks itself. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { Client, openClients, until } from "./peers.js";
import { type Program, start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const HANDLER = fileURLToPath(new URL("programs/worker.js", import.meta.url));

/** A handler file in a folder of its own. */
async function writeHandler(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sendall-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "handler.mjs");
  await writeFile(file, text);
  return file;
}

async function startWorkers(count: string): Promise<{ program: Program; url: string }> {
  const program = start("dist/cli.js", ["serve", HANDLER, "--port", "0", "--workers", count]);
  const [, url = ""] = await program.stdout.next(/^Listening on (\S+)$/);
  return { program, url };
}

/** Until what one says reaches all: each process is heard once the primary process knows that somebody is there. */
async function untilJoined(clients: readonly Client[]): Promise<void> {
  const [first] = clients;
  for (let round = 0; clients.some((client) => client.received.length === 0); round++) {
    const text = `are you there ${round}`;
    first?.send(text);
    await until(() => first?.received.includes(text) === true);
  }
}

async function pidOf(client: Client): Promise<number> {
  const isPid = (text: string | Buffer): boolean => String(text).startsWith("pid ");
  client.send("pid");
  await until(() => client.received.some(isPid));
  return Number(String(client.received.find(isPid)).slice(4));
}

/** What one says reaches all the others, once. */
async function expectHeard(text: string, clients: readonly Client[]): Promise<void> {
  clients[0]?.send(text);
  clients[0]?.send(`after ${text}`);
  for (const client of clients) {
    await until(() => client.received.includes(`after ${text}`));
    expect(client.received.filter((one) => one === text)).toHaveLength(1);
  }
}

describe("sendall serve --workers", () => {
  test("four workers and two hundred clients are as one server; a worker that dies loses only its own", async () => {
    const { program, url } = await startWorkers("4");
    const clients = await openClients(url, 200);
    await untilJoined(clients);
    const pids = await Promise.all(clients.map(pidOf));
    expect(new Set(pids).size).toBe(4);
    await expectHeard("hello", clients);

    const [victim = 0] = pids;
    process.kill(victim, "SIGKILL");
    const lost = clients.filter((_, i) => pids[i] === victim);
    const others = clients.filter((_, i) => pids[i] !== victim);
    for (const client of lost) expect(await client.ended()).toMatchObject({ code: 1006 });
    await program.stderr.next(new RegExp(`"worker":${victim},.*a worker has died`));
    await program.stderr.next(/"listening"/);
    await expectHeard("still here", others);
    expect(others.every(({ closed }) => closed === undefined)).toBe(true);

    // The new one takes its share.
    const back = await openClients(url, lost.length);
    await untilJoined([...back, ...others]);
    const newPids = new Set(await Promise.all(back.map(pidOf)));
    expect([...newPids].some((pid) => !pids.includes(pid))).toBe(true);

    program.kill("SIGTERM");
    for (const client of [...others, ...back])
      expect(await client.ended()).toEqual({ code: 1001, reason: "going away" });
    expect(await program.ended).toMatchObject({ code: 0, signal: null });
  });

  test("followers in three workers see the kept messages of all workers in one order, and a worker tells what it has heard", async () => {
    const file = await writeHandler(`
      export default {
        history: { maxMessages: 1_000 },
        concurrency: "connection",
        async handler({ type, connection, text }, bus) {
          if (type === "open") {
            const { outcome, count } = await connection.follow("room", { last: 1_000 });
            connection.send(\`\${process.pid} \${outcome} \${count}\`);
          }
          if (type === "message") bus.sendall(text, { room: "room", keep: true });
        },
      };`);
    const program = start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "3"]);
    const [, url = ""] = await program.stdout.next(/^Listening on (\S+)$/);
    const clients = await openClients(url, 30);
    await until(() => clients.every(({ received }) => received.length > 0));
    const pids = clients.map(({ received }) => String(received[0]).split(" ")[0]);
    expect(new Set(pids).size).toBe(3);
    for (let i = 0; i < 300; i++) clients[i % clients.length]?.send(`message ${i}`);
    await until(() => clients.every(({ received }) => received.length === 301));
    const [first] = clients;
    for (const { received } of clients) expect(received.slice(1)).toEqual(first?.received.slice(1));
    // Every worker has had members in the room all the time.
    for (const newcomer of await openClients(url, 9)) {
      await until(() => newcomer.received.length === 301);
      expect(newcomer.received.slice(0, 300)).toEqual(first?.received.slice(1));
      expect(newcomer.received[300]).toMatch(/^\d+ complete 300$/);
    }
  });

  test("a signal to the whole process group is obeyed once", async () => {
    const { program, url } = await startWorkers("2");
    const [client] = await openClients(url, 1);
    program.killGroup("SIGINT");
    expect(await client?.ended()).toMatchObject({ code: 1001 });
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  const WAIT = `console.log("under way"); setInterval(() => {}, 1_000); await once(process, "SIGUSR2");`;
  test.each([
    ["its top level", `${WAIT}\nexport default () => {};`],
    ["init", `export default { async init() { ${WAIT} }, handle() {} };`],
    [
      "an init that nothing can end",
      `export default { init() { console.log("under way"); return new Promise(() => {}); }, handle() {} };`,
    ],
  ])("a signal while the first worker is in %s ends the command", async (_case, text) => {
    const file = await writeHandler(`import { once } from "node:events";\n${text}`);
    const program = start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "2"]);
    await program.stdout.next(/^under way$/);
    program.kill("SIGTERM");
    const { code, signal, stderr } = await program.ended;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(stderr.filter((line) => /^sendall|has died/.test(line))).toEqual([]);
  });

  // Linux tells of a process's children: the first worker is there, and does not listen yet.
  test.runIf(process.platform === "linux")("a signal while the first worker boots ends the command", async () => {
    const program = start("dist/cli.js", ["serve", "--port", "0", "--workers", "2"]);
    const children = `/proc/${program.pid}/task/${program.pid}/children`;
    await until(() => readFileSync(children, "utf8") !== "");
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stdout: [] });
  });

  /** The first start is quick; from the second one on, init waits. */
  const SECOND_WAITS = `import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
const flag = new URL("started", import.meta.url);
export default {
  async init() {
    const isFirst = !existsSync(flag);
    writeFileSync(flag, "");
    if (!isFirst) { ${WAIT} }
  },
  handle(event) { if (event.type === "message") process.exit(1); },
};`;

  test("a signal while a further worker is in init drains those that serve, and ends the command", async () => {
    const file = await writeHandler(SECOND_WAITS);
    const program = start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "2"]);
    const [, url = ""] = await program.stderr.next(/"url":"([^"]+)".*"listening"/);
    await program.stdout.next(/^under way$/);
    const client = await Client.open(url);
    program.kill("SIGINT");
    expect(await client.ended()).toMatchObject({ code: 1001 });
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stdout: ["under way"] });
  });

  test("a signal while a worker that takes the place of a dead one is in init ends the command", async () => {
    const file = await writeHandler(SECOND_WAITS);
    const program = start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "1"]);
    const [, url = ""] = await program.stdout.next(/^Listening on (\S+)$/);
    const client = await Client.open(url);
    client.send("die");
    await program.stdout.next(/^under way$/);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, signal: null });
  });

  test("the second signal ends workers that their handler's code blocks", async () => {
    const file = await writeHandler(`console.log("blocked");\nfor (;;);`);
    const program = start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "2"]);
    await program.stdout.next(/^blocked$/);
    program.kill("SIGTERM");
    program.kill("SIGINT");
    expect([130, 143]).toContain((await program.ended).code);
  });

  test("workers end with their primary process", async () => {
    const { program, url } = await startWorkers("2");
    const client = await Client.open(url);
    program.kill("SIGKILL");
    await client.ended();
    // Over only when nobody holds its outputs any more.
    expect(await program.ended).toMatchObject({ signal: "SIGKILL" });
  });

  test("a first worker that is killed is told of, and the command fails", async () => {
    const file = await writeHandler(`process.kill(process.pid, "SIGKILL");\nawait new Promise(() => {});`);
    const { code, stderr } = await start("dist/cli.js", ["serve", file, "--port", "0", "--workers", "2"]).ended;
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringMatching(/"signal":"SIGKILL".*"a worker has died"/)]);
  });

  test("workers that die again and again are given up, and the command fails", async () => {
    const { program, url } = await startWorkers("1");
    for (let i = 0; i < 3; i++) {
      const client = await Client.open(url);
      client.send("die");
      await client.ended();
      await program.stderr.next(/a worker has died/);
      if (i < 2) await program.stderr.next(/"listening"/);
    }
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr.at(-1)).toBe("sendall: workers die too often: 3 of them within 30 s");
  });

  test("what is wrong with the command is said once", async () => {
    const { code, stderr } = await start("dist/cli.js", ["serve", "missing.js", "--workers", "3"]).ended;
    expect([code, stderr]).toEqual([1, ["sendall: there is no handler file missing.js"]]);
    for (const [args, problem] of [
      [["--workers", "0"], '--workers: expected a whole number from 1 to 999, or auto, got "0"'],
      [["--workers", "2", "--watch"], "--workers: does not go with --watch"],
      [
        ["--workers", "2", "--sockjs"],
        "--workers: does not go with --sockjs, whose sessions have to stay in one process",
      ],
    ] as const) {
      const end = await start("dist/cli.js", ["serve", ...args]).ended;
      expect([end.code, end.stderr]).toEqual([2, [`sendall: ${problem} (sendall --help tells more)`]]);
    }
  });
});

describe("a program that forks itself", () => {
  test("joins its workers with workers()", async () => {
    const program = start("test/e2e/programs/forked.js", [], { env: { JOINED: "yes" } });
    const [, url = ""] = await program.stdout.next(/^Listening on (\S+)$/);
    await program.stdout.next(/^Listening on/);
    const clients = await openClients(url, 4);
    await until(() => clients.every(({ received }) => received.length > 0));
    const pids = clients.map(({ received }) => received.shift());
    expect(new Set(pids).size).toBe(2);
    await untilJoined(clients);
    await expectHeard("hello", clients);
  });

  test("is told if its primary process passes nothing on", async () => {
    const program = start("test/e2e/programs/forked.js");
    const [line] = await program.stdout.next(/^.*cannot connect to.*$/);
    expect(line).toContain("the primary process does not answer: it has to call workers(), too");
    await program.ended;
  });
});

test("eleven servers in one worker share their clients, and are no reason for a warning", async () => {
  const program = start("test/e2e/programs/many-in-one.js");
  const { code, stderr } = await program.ended;
  expect([code, stderr, program.stdout.all]).toEqual([
    0,
    [],
    [expect.stringMatching(/^heard by 11, listeners left: \d$/)],
  ]);
});
