/** `sendall serve --metrics`: the port beside the port of the server, and the sums of workers as real processes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { sampleOf, sumOf } from "../unit/metrics/exposition.js";
import { Client, nextRound, openClients, until } from "./peers.js";
import { freePort, holdPort, type Program, start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const HANDLER = fileURLToPath(new URL("programs/worker.js", import.meta.url));
const LINE = /^Listening on (ws:\S+?\/), (?:pages at \S+, )?metrics at (http:\S+\/metrics)$/;

function serve(...args: string[]): Program {
  return start("dist/cli.js", ["serve", ...args, "--port", "0"]);
}

async function addresses({
  stdout,
}: Program): Promise<{ url: string; metrics: string; readyz: string; healthz: string }> {
  const [, url = "", metrics = ""] = await stdout.next(LINE);
  return { url, metrics, readyz: metrics.replace("metrics", "readyz"), healthz: metrics.replace("metrics", "healthz") };
}

async function read(url: string): Promise<string> {
  return (await fetch(url)).text();
}

async function statusOf(url: string): Promise<number> {
  return (await fetch(url)).status;
}

describe("sendall serve --metrics", () => {
  test("shows the metrics on a port of its own, and not on the port of the server", async () => {
    const { url, metrics, readyz, healthz } = await addresses(serve(HANDLER, "--metrics", "127.0.0.1:0"));
    const client = await Client.open(url);
    client.send("hello");
    await until(() => client.received.length > 0);
    const text = await read(metrics);
    expect(sampleOf(text, "sendall_connections", { route: "*" })).toBe(1);
    expect(sampleOf(text, "sendall_sent_messages_total", { route: "*" })).toBe(1);
    expect(text).not.toContain("_seconds");
    expect([await statusOf(readyz), await statusOf(healthz)]).toEqual([200, 200]);
    expect(await statusOf(`${url.replace("ws", "http")}metrics`)).toBe(426);
  });

  test("measures waits and handlers with --histograms, and takes an address of IPv6", async () => {
    const program = serve(HANDLER, "--metrics", "[::1]:0", "--histograms", "--static", "test");
    const { url, metrics } = await addresses(program);
    expect(metrics).toMatch(/^http:\/\/\[::1\]:\d+\/metrics$/);
    const client = await Client.open(url);
    client.send("hello");
    await until(() => client.received.length > 0);
    const text = await read(metrics);
    expect(sampleOf(text, "sendall_handler_seconds_count", { route: "*" })).toBe(2);
    expect(sampleOf(text, "sendall_mailbox_wait_seconds_count", { route: "*" })).toBe(2);
  });

  test("is healthy and not ready while init is under way, and ends with the command", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sendall-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "handler.mjs");
    const text = `import { once } from "node:events";
      export default { async init() {
        const waiting = setInterval(() => {}, 1_000);
        console.log("under way");
        await once(process, "SIGUSR2");
        clearInterval(waiting);
      }, handle() {} };`;
    await writeFile(file, text);
    const program = serve(file, "--metrics", "127.0.0.1:0");
    const [, base = ""] = await program.stderr.next(/"url":"(http:[^"]+\/)metrics","msg":"showing metrics"/);
    const at = (path: string): string => base + path;
    await program.stdout.next(/^under way$/);
    expect([await statusOf(at("healthz")), await statusOf(at("readyz")), await statusOf(at("metrics"))]).toEqual([
      200, 503, 503,
    ]);
    program.kill("SIGUSR2");
    const { metrics, readyz } = await addresses(program);
    expect(metrics).toBe(at("metrics"));
    expect(await statusOf(readyz)).toBe(200);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  test("a file whose top level waits for nothing is found out all the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sendall-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "handler.mjs");
    await writeFile(file, "await new Promise(() => {}); export default () => {};");
    const { code, stderr } = await serve(file, "--metrics", "127.0.0.1:0").ended;
    expect([code, stderr.at(-1)]).toEqual([1, expect.stringContaining("is stuck")]);
  });

  test.each(["9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9464", "http://127.0.0.1:9464", ""])(
    "refuses the address %j in one line",
    async (address) => {
      const { code, stderr } = await serve("--metrics", address).ended;
      const expected = "an address and a port, such as 127.0.0.1:9464 or [::1]:9464 (0 picks a free port)";
      const got = JSON.stringify(address);
      expect([code, stderr]).toEqual([
        2,
        [`sendall: --metrics: expected ${expected}, got ${got} (sendall --help tells more)`],
      ]);
    },
  );

  test("refuses --histograms without --metrics, and a port that is taken, before any worker starts", async () => {
    const without = await serve("--histograms").ended;
    expect([without.code, without.stderr]).toEqual([
      2,
      ["sendall: --histograms: needs --metrics, which says where to show them (sendall --help tells more)"],
    ]);
    const port = await holdPort();
    for (const workers of [[], ["--workers", "2"]]) {
      const taken = await serve("--metrics", `127.0.0.1:${port}`, ...workers).ended;
      expect([taken.code, taken.stdout, taken.stderr]).toEqual([
        1,
        [],
        [`sendall: cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`],
      ]);
    }
  });
});

describe("sendall serve on the port of --metrics", () => {
  test.each([
    ["a single process", []],
    ["workers", ["--workers", "2"]],
  ])("says whose the port is: %s", async (_what, args) => {
    const port = await freePort();
    const metrics = `127.0.0.1:${port}`;
    const { code, stdout, stderr } = await start("dist/cli.js", [
      "serve",
      "--port",
      `${port}`,
      "--metrics",
      metrics,
      ...args,
    ]).ended;
    expect([code, stdout]).toEqual([1, []]);
    expect(stderr.at(-1)).toMatch(
      /^sendall: cannot listen on .*: --metrics has port \d+, so the server needs another port$/,
    );
  });

  test("has nothing to do with another program's port", async () => {
    const port = await holdPort();
    const { stderr } = await start("dist/cli.js", ["serve", "--port", `${port}`, "--metrics", "127.0.0.1:0"]).ended;
    expect(stderr.at(-1)).toMatch(/^sendall: cannot listen on .*: address already in use 127.0.0.1:\d+$/);
  });
});

describe("sendall serve --metrics --workers", () => {
  test("adds up the workers, keeps what a dead worker has counted, and is ready until it stops", async () => {
    const program = serve(HANDLER, "--metrics", "127.0.0.1:0", "--workers", "2", "--histograms");
    const { url, metrics, readyz } = await addresses(program);
    const clients = await openClients(url, 8);
    for (const client of clients) client.send("pid");
    await until(() => clients.every(({ received }) => received.length > 0));
    const pids = clients.map(({ received: [said] }) => Number(String(said).slice(4)));
    expect(new Set(pids).size).toBe(2);
    const before = await read(metrics);
    expect(sumOf(before, "sendall_connections")).toBe(8);
    expect(sumOf(before, "sendall_opened_total")).toBe(8);
    expect(sumOf(before, "sendall_received_messages_total")).toBe(8);
    expect(sampleOf(before, "sendall_handler_seconds_count", { route: "*" })).toBe(16);
    expect(sampleOf(before, "sendall_workers", { state: "answering" })).toBe(2);
    expect(await statusOf(readyz)).toBe(200);

    const [victim = 0] = pids;
    process.kill(victim, "SIGKILL");
    await program.stderr.next(/a worker has died/);
    await program.stderr.next(/"listening"/);
    const lost = pids.filter((pid) => pid === victim).length;
    const [back] = await openClients(url, 1);
    const after = await read(metrics);
    expect(sumOf(after, "sendall_connections")).toBe(8 - lost + 1);
    expect(sumOf(after, "sendall_opened_total")).toBe(9);
    expect(sampleOf(after, "sendall_worker_deaths_total")).toBe(1);
    expect(sumOf(after, "sendall_received_messages_total")).toBe(8);
    expect(await statusOf(readyz)).toBe(200);
    back?.ws.close();
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  test("is unhealthy while every worker is blocked, and healthy while one of them answers", async () => {
    const program = serve(HANDLER, "--metrics", "127.0.0.1:0", "--workers", "2");
    const { url, healthz } = await addresses(program);
    const clients = await openClients(url, 8);
    for (const client of clients) client.send("pid");
    await until(() => clients.every(({ received }) => received.length > 0));
    const pids = [...new Set(clients.map(({ received: [said] }) => Number(String(said).slice(4))))];
    expect(pids).toHaveLength(2);
    const health = async (): Promise<unknown> => {
      const response = await fetch(healthz);
      return [response.status, await response.text()];
    };
    const [one = 0, other = 0] = pids;
    try {
      // A process that is stopped by the system answers as little as a process in an endless loop.
      process.kill(one, "SIGSTOP");
      expect(await health()).toEqual([200, "ok\n"]);
      process.kill(other, "SIGSTOP");
      expect(await health()).toEqual([503, "no worker answers\n"]);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    while ((await statusOf(healthz)) !== 200) await nextRound();
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
  });
});
