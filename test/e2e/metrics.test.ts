/** `sendall/metrics` on real sockets: over HTTP, beside Express, in prom-client, in the eyes of promtool, and after hostile peers. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import express from "express";
import fc from "fast-check";
import { AggregatorRegistry, Counter, type PrometheusContentType, Registry } from "prom-client";
import { attach, type Bus, reject, type ServeOptions, type Server, type ServerEvent, serve } from "sendall";
import { type MetricsListener, metrics } from "sendall/metrics";
import { memory } from "sendall/testing/cluster-adapter";
import { describe, expect, onTestFinished, test } from "vitest";
import { readExposition, sampleOf, sumOf } from "../unit/metrics/exposition.js";
import { sourceOf } from "../unit/metrics/source.js";
import { answerTo, upgradeWith } from "./asking.js";
import { Client, until } from "./peers.js";
import { requires } from "./requires.js";

const promtool = requires("prometheus");

/** Joins a room, sends to the room, throws when told to. */
function chat(event: ServerEvent, bus: Bus): void {
  if (event.type === "open") bus.join(event.connection, "lobby");
  if (event.type !== "message") return;
  if (event.text.startsWith("throw")) throw new Error(event.text);
  bus.sendall(event.data, { room: "lobby" });
}

/** A server that shows its metrics, with a `chat` at `/chat`. */
async function serveMetrics(
  options: Omit<ServeOptions, "onRequest" | "handler" | "routes"> = {},
): Promise<{ server: Server; url: string; chatUrl: string }> {
  let answer: MetricsListener = () => {};
  const routes = { "/chat": { handler: chat } };
  const server = await serve({ port: 0, logger: false, ...options, routes, onRequest: (...asked) => answer(...asked) });
  onTestFinished(() => server.close());
  answer = metrics(server, { histograms: true }).onRequest("/metrics");
  return { server, url: `http://127.0.0.1:${server.port}`, chatUrl: `ws://127.0.0.1:${server.port}/chat` };
}

async function ask(url: string, method = "GET"): Promise<{ status: number; type: string | null; text: string }> {
  const response = await fetch(url, { method });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

/** What promtool says against a text; nothing if the text is good. */
function lint(text: string): string {
  const { status, stdout, stderr } = spawnSync(promtool.path, ["check", "metrics"], { input: text, encoding: "utf8" });
  return status === 0 ? stdout + stderr : `${status}: ${stdout}${stderr}`;
}

describe("over HTTP", () => {
  test("the metrics of connections, messages and endings are there as they happen", async () => {
    const { server, url, chatUrl } = await serveMetrics();
    const [ann, bob] = [await Client.open(chatUrl), await Client.open(chatUrl)];
    ann.send("hello");
    await until(() => ann.received.length > 0 && bob.received.length > 0);
    const { status, type, text } = await ask(`${url}/metrics`);
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const route = { route: "/chat" };
    expect(sampleOf(text, "sendall_connections", route)).toBe(2);
    expect(sampleOf(text, "sendall_rooms", route)).toBe(1);
    expect(sampleOf(text, "sendall_received_messages_total", route)).toBe(1);
    expect(sampleOf(text, "sendall_received_bytes_total", route)).toBe(5);
    expect(sampleOf(text, "sendall_sent_messages_total", route)).toBe(2);
    expect(sampleOf(text, "sendall_sent_frames_total", route)).toBe(1);
    // Two times `open`, and the message.
    expect(sampleOf(text, "sendall_handler_seconds_count", route)).toBe(3);

    bob.ws.close(4000);
    await bob.ended();
    ann.socket.destroy();
    await until(() => server.stats().closed === 2);
    const after = (await ask(`${url}/metrics`)).text;
    expect(sampleOf(after, "sendall_closed_total", { ...route, code: "4000", by: "peer" })).toBe(1);
    expect(sampleOf(after, "sendall_closed_total", { ...route, code: "1006", by: "lost" })).toBe(1);
    expect(sampleOf(after, "sendall_connections", route)).toBe(0);
  });

  test("a server is healthy and ready; other paths are 404, other methods 405, and HEAD has no body", async () => {
    const { url } = await serveMetrics();
    const plain = "text/plain; charset=utf-8";
    expect(await ask(`${url}/healthz`)).toEqual({ status: 200, type: plain, text: "ok\n" });
    expect(await ask(`${url}/readyz`)).toEqual({ status: 200, type: plain, text: "ready\n" });
    expect(await ask(`${url}/readyz?verbose=1`)).toMatchObject({ status: 200 });
    expect(await ask(`${url}/metric`)).toEqual({
      status: 404,
      type: plain,
      text: "there is no /metric: expected /metrics, /healthz, /readyz\n",
    });
    expect(await ask(`${url}/metrics`, "POST")).toMatchObject({ status: 405, text: "POST is not answered here\n" });
    expect(await ask(`${url}/metrics`, "HEAD")).toMatchObject({ status: 200, text: "" });
  });

  test("is answered within the call, so that a program that answers as well hears of it", async () => {
    const ended: boolean[] = [];
    let answer: MetricsListener = () => {};
    const server = await serve({
      port: 0,
      logger: false,
      handler() {},
      onRequest(request, response) {
        answer(request, response);
        ended.push(response.writableEnded);
      },
    });
    onTestFinished(() => server.close());
    answer = metrics(server).onRequest("/metrics");
    for (const path of ["metrics", "healthz", "readyz", "else"]) await ask(`http://127.0.0.1:${server.port}/${path}`);
    expect(ended).toEqual([true, true, true, true]);
  });

  test("a host's server is not ready once it is closing, and healthy all the same", async () => {
    const host = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void host.close());
    await once(host, "listening");
    const server = await attach(host, { logger: false, handler: chat });
    const answer = metrics(server).onRequest("/ops/metrics");
    const app = express().use(answer);
    host.on(
      "request",
      app.get("/page", (_request, response) => void response.send("page")),
    );
    const address = host.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    expect(await ask(`${url}/ops/readyz`)).toMatchObject({ status: 200 });
    expect(sumOf((await ask(`${url}/ops/metrics`)).text, "sendall_connections")).toBe(0);
    expect(await ask(`${url}/page`)).toMatchObject({ status: 200, text: "page" });
    expect(await ask(`${url}/readyz`)).toMatchObject({ status: 404 });
    await server.close();
    expect(await ask(`${url}/ops/readyz`)).toMatchObject({ status: 503, text: "not ready\n" });
    expect(await ask(`${url}/ops/healthz`)).toMatchObject({ status: 200 });
  });

  test("nothing of what hostile peers send is in the text, and their close codes do not make series without end", async () => {
    const { server, url, chatUrl } = await serveMetrics({
      authorize: ({ query }) => (query.has("refused") ? reject(401, "SECRET") : { name: "SECRET" }),
    });
    const headers = { Origin: "https://SECRET.example", Cookie: "SECRET=1", "Sec-WebSocket-Protocol": "SECRET" };
    for (const path of ["/SECRET", '/SECRET"} 1', "/chat/SECRET?SECRET", "/chat?refused=SECRET", "/%0ASECRET 1"])
      (await answerTo(server.port, upgradeWith(headers, path))).peer.socket.destroy();
    const client = await Client.open(`${chatUrl}?SECRET`, { headers: { Cookie: "SECRET=1" } });
    const [connection] = server.connections();
    if (connection !== undefined) server.join(connection, 'SECRET"\n');
    client.send('SECRET"} 1\nsendall_connections 99\n');
    client.send("throw SECRET");
    await until(() => server.stats().handlerFailures === 1);
    client.ws.close(4999, "SECRET");
    const others = await Promise.all(Array.from({ length: 100 }, () => Client.open(chatUrl)));
    for (const [i, other] of others.entries()) other.ws.close(3_000 + i);
    await until(() => server.stats().closed === 101);
    const { text } = await ask(`${url}/metrics`);
    expect(sumOf(text, "sendall_closed_total")).toBe(101);
    // 64 pairs, "other" of peer and server, and the five that are there from the start.
    expect(readExposition(text).get("sendall_closed_total")?.samples.length).toBeLessThanOrEqual(71);
    expect(sumOf(text, "sendall_refused_total")).toBeGreaterThanOrEqual(3);
    expect(text).not.toMatch(/secret/i);
    expect(text).not.toContain(connection?.id);
    expect(text).not.toContain("lobby");
  });
});

describe("in prom-client", () => {
  function comparable(text: string): string[] {
    return text.split("\n").filter((line) => line !== "" && !/^# HELP|_seconds/.test(line));
  }

  test("a registry shows the same numbers as the text, beside the metrics of the program", async () => {
    const { server, chatUrl } = await serveMetrics();
    const registry = new Registry();
    new Counter({ name: "orders_total", help: "Orders.", registers: [registry] }).inc(3);
    const ours = metrics(server, { histograms: true });
    ours.register(registry);
    const client = await Client.open(chatUrl);
    client.send("hello");
    await until(() => client.received.length > 0);
    const shown = await registry.metrics();
    expect(shown).toContain("orders_total 3");
    const others = (line: string): boolean => !line.includes("orders_total");
    expect(comparable(shown).filter(others)).toEqual(comparable(ours.text()));
    expect(sampleOf(shown.replaceAll("\n\n", "\n"), "sendall_handler_seconds_count", { route: "/chat" })).toBe(2);
    // A program that resets its registry between tests resets no number of a running server.
    registry.resetMetrics();
    expect(await registry.metrics()).toContain('sendall_connections{route="/chat"} 1');
  });

  test("a registry in the format of OpenMetrics names counters as that format wants", async () => {
    const { server } = await serveMetrics();
    const type: PrometheusContentType | string = Registry.OPENMETRICS_CONTENT_TYPE;
    const registry = new Registry();
    registry.setContentType(type as PrometheusContentType);
    metrics(server).register(registry);
    for (let scrapes = 0; scrapes < 2; scrapes++) {
      const text = await registry.metrics();
      expect(text).toContain("# TYPE sendall_opened counter\nsendall_opened_total{");
      expect(text).toContain("# TYPE sendall_connections gauge\nsendall_connections{");
    }
  });

  test("a registry that has one of the series is refused with what to do, and gets no other series", async () => {
    const [one, other] = [await serveMetrics(), await serveMetrics()];
    const taken = new Registry();
    // The last but one of the series, so that a check of each on its own would have added the others.
    new Counter({ name: "sendall_sessions_total", help: "Of the program.", registers: [taken] });
    expect(() => metrics(one.server).register(taken)).toThrow(
      expect.objectContaining({
        code: "BAD_OPTION",
        option: "registry",
        message: expect.stringMatching(/^registry: .* has sendall_sessions_total already: .* a new Registry\(\)/),
      }),
    );
    expect(taken.getMetricsAsArray()).toHaveLength(1);

    const registry = new Registry();
    const ours = metrics(one.server);
    ours.register(registry);
    const before = await registry.metrics();
    for (const again of [ours, metrics(one.server), metrics(other.server)])
      expect(() => again.register(registry)).toThrow(/^registry: .* has sendall_connections already/);
    expect(await registry.metrics()).toBe(before);
  });

  test("two servers of a process have a registry each, which prom-client adds up as the refusal says", async () => {
    const [one, other] = [await serveMetrics(), await serveMetrics()];
    for (const { chatUrl } of [one, other, other]) await Client.open(chatUrl);
    const [first, second] = [one, other].map(({ server }) => {
      const registry = new Registry();
      metrics(server).register(registry);
      return registry;
    });
    if (first === undefined || second === undefined) throw new Error("a registry is missing");
    // What would come to mind first, and does not work: both have the same names.
    expect(() => Registry.merge([first, second])).toThrow("already been registered");
    const sum = AggregatorRegistry.aggregate([await first.getMetricsAsJSON(), await second.getMetricsAsJSON()]);
    expect(await sum.metrics()).toContain('sendall_connections{route="/chat"} 3');
  });

  test("the registries of several processes add up, as those of node:cluster do", async () => {
    const { server, chatUrl } = await serveMetrics({ cluster: memory() });
    await Client.open(chatUrl);
    const registry = new Registry();
    metrics(server).register(registry);
    const json = await registry.getMetricsAsJSON();
    const sum = await AggregatorRegistry.aggregate([json, structuredClone(json)]).metrics();
    expect(sum).toContain('sendall_connections{route="/chat"} 2');
    expect(sum).toContain("sendall_cluster_up 1");
  });
});

describe.skipIf(promtool.skip)("promtool", () => {
  test("finds nothing wrong with the text of a server with every series", async () => {
    const { url, chatUrl, server } = await serveMetrics({ cluster: memory() });
    const client = await Client.open(chatUrl);
    client.send("throw");
    client.ws.close();
    await answerTo(server.port, upgradeWith({}, "/nowhere"));
    await until(() => server.stats().closed === 1);
    const { text } = await ask(`${url}/metrics`);
    expect([...readExposition(text).values()].filter(({ samples }) => samples.length === 0)).toEqual([]);
    expect(lint(text)).toBe("");
    expect(lint(text.replace(/^# HELP .*\n/, ""))).not.toBe("");
  });

  test("reads labels with any characters", () => {
    const path = fc.string({ unit: fc.constantFrom("\\", '"', "\n", "\r", "n", "}", ",", " ", "ä", "😀") });
    fc.assert(
      fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 10 }), (paths) => {
        const source = sourceOf(Object.fromEntries(paths.map((one) => [one, {}])));
        expect(lint(metrics(source).text())).toBe("");
      }),
      { numRuns: 20 },
    );
  });
});

describe("the Grafana dashboard", () => {
  interface Panel {
    readonly title: string;
    readonly description?: string;
    readonly type: string;
    readonly targets?: readonly { readonly expr: string }[];
  }
  const file = new URL("../../grafana/sendall.json", import.meta.url);
  const { panels, templating }: { panels: readonly Panel[]; templating: { list: readonly { query: unknown }[] } } =
    JSON.parse(readFileSync(file, "utf8"));
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const namesIn = (text: string): string[] => text.match(/\bsendall_\w+/g) ?? [];

  /** The name of every series, and the name of every family of a histogram's series. */
  async function series(): Promise<Map<string, string>> {
    const { server, chatUrl } = await serveMetrics({ cluster: memory() });
    (await Client.open(chatUrl)).ws.close();
    await answerTo(server.port, upgradeWith({}, "/nowhere"));
    await until(() => server.stats().closed === 1);
    const families = readExposition(metrics(server, { histograms: true }).text());
    const all = [...families].flatMap(([family, { samples }]) => samples.map(({ name }) => [name, family] as const));
    const ofThePrimary = ["sendall_workers", "sendall_worker_deaths_total"].map((name) => [name, name] as const);
    return new Map([...all, ...ofThePrimary]);
  }

  test("has in each query a series that there is, and each series in a query", async () => {
    const known = await series();
    expect(queries.length).toBeGreaterThan(20);
    for (const query of queries) expect([query, namesIn(query).length > 0]).toEqual([query, true]);
    const variables = templating.list.map(({ query }) => JSON.stringify(query)).join(" ");
    const named = namesIn([...queries, variables].join(" "));
    expect(named.filter((name) => !known.has(name))).toEqual([]);
    const shown = new Set(named.map((name) => known.get(name)));
    expect([...new Set(known.values())].filter((family) => !shown.has(family))).toEqual([]);
  });

  test("and the alerts of the documentation name the same series", async () => {
    const known = new Set((await series()).values());
    const page = readFileSync(new URL("../../docs/guides/monitoring.md", import.meta.url), "utf8");
    const [, alerts = ""] = /(^groups:.*?)^```/ms.exec(page) ?? [];
    const named = namesIn(alerts);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test("is found by programs under the name that the documentation gives", () => {
    expect(createRequire(import.meta.url).resolve("sendall/metrics/grafana.json")).toBe(fileURLToPath(file));
  });

  test("says what each panel shows", () => {
    const charts = panels.filter(({ type }) => type !== "row");
    expect(charts.filter(({ title, description = "" }) => title === "" || !description.endsWith("."))).toEqual([]);
  });

  test.skipIf(promtool.skip)("has queries that Prometheus understands", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sendall-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const check = async (exprs: readonly string[]): Promise<string> => {
      const rules = exprs.map((expr, i) => ({ record: `panel:${i}`, expr: expr.replaceAll("$__rate_interval", "5m") }));
      await writeFile(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "panels", rules }] }));
      const { stdout, stderr } = spawnSync(promtool.path, ["check", "rules", join(folder, "rules.yml")]);
      return `${stdout}${stderr}`;
    };
    expect(await check(queries)).toContain(`SUCCESS: ${queries.length} rules found`);
    expect(await check(["sum by (route (sendall_rooms)"])).not.toContain("SUCCESS");
  });
});
