/** Tracing over real sockets: links to the span of a real upgrade, and subscribers that throw in a process of their own. */
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { context, trace as traces } from "@opentelemetry/api";
import { attach, perConnection, serve } from "sendall";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { type Sdk, trace } from "../unit/otel/sdk.js";
import { Client, until } from "./peers.js";
import { runToEnd, stopPrograms } from "./programs.js";
import { Poller } from "./sockjs-peers.js";

afterEach(stopPrograms);

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";
const headers = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` };

/** The names of the spans, each with the span to which it is linked. */
function linked({ spans }: Sdk): string[] {
  return spans().map(({ name, links }) => `${name} ${links.map((link) => link.context.spanId).join()}`);
}

/** An HTTP server that listens, and answers events of the kind within a span, as instrumentation does. */
async function listen(
  kind: "request" | "upgrade",
  { provider }: Sdk,
): Promise<{ http: HttpServer; port: number; ids: string[] }> {
  const http = createServer();
  const ids: string[] = [];
  const emit = http.emit.bind(http);
  http.emit = (event: string, ...args: unknown[]) => {
    if (event !== kind) return emit(event, ...args);
    const span = provider.getTracer("http").startSpan(kind);
    ids.push(span.spanContext().spanId);
    return context.with(traces.setSpan(context.active(), span), () => emit(event, ...args));
  };
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => void http.close());
  return { http, port: (http.address() as AddressInfo).port, ids };
}

test("spans of a connection over a real socket are linked to the span in the headers of its upgrade", async () => {
  const sdk = trace();
  const server = await serve({
    port: 0,
    logger: false,
    handler: perConnection(async (connection) => {
      for await (const message of connection) if (typeof message === "string") connection.send(message);
    }),
  });
  onTestFinished(() => server.close());
  const client = await Client.open(server.url, { headers });
  client.send("hello");
  await until(() => client.received.length === 1);
  client.ws.close(1000);
  await until(() => sdk.spans().length === 3);
  expect(linked(sdk)).toEqual([`open * ${SPAN_ID}`, `message * ${SPAN_ID}`, `closed * ${SPAN_ID}`]);
});

test("spans are linked to the span around the upgrade of an HTTP server, whatever was awaited since", async () => {
  const sdk = trace();
  const { http, port, ids } = await listen("upgrade", sdk);
  const server = await attach(http, {
    logger: false,
    maxConnections: 1,
    whenFull: "wait",
    authorize: async () => {
      await new Promise(setImmediate);
      return {};
    },
    handler: () => {},
  });
  onTestFinished(() => server.close());
  const first = await Client.open(`ws://127.0.0.1:${port}/`);
  // Gets its place by the end of the first, which is an event of another context.
  const second = Client.open(`ws://127.0.0.1:${port}/`, { headers });
  await until(() => ids.length === 2);
  first.ws.terminate();
  await second;
  await until(() => sdk.spans().length === 3);
  expect(linked(sdk)).toEqual([`open * ${ids[0]}`, `closed * ${ids[0]}`, `open * ${ids[1]}`]);
});

test("spans of a SockJS session over HTTP are linked to the span of the request that opened it", async () => {
  const sdk = trace();
  const { http, port, ids } = await listen("request", sdk);
  const server = await attach(http, {
    logger: false,
    closeTimeoutMs: 1,
    routes: { "/echo": { sockjs: true, handler: () => {} } },
  });
  http.on("request", (request, response) => server.middleware(request, response, () => response.end()));
  onTestFinished(() => server.close());
  const poller = await Poller.open(port);
  await poller.send("hello");
  await until(() => sdk.spans().length === 2);
  expect(ids.length).toBe(2);
  expect(linked(sdk)).toEqual([`open /echo ${ids[0]}`, `message /echo ${ids[0]}`]);
});

/** Every subscriber throws: at once, out of a promise, out of a timer. Then a client talks, another is refused, and the server closes. */
const THROWING = `
  import { AsyncLocalStorage } from "node:async_hooks";
  import { subscribe, tracingChannel } from "node:diagnostics_channel";
  import { once } from "node:events";
  import { serve } from "sendall";
  import { WebSocket } from "ws";
  const names = ["start", "end", "asyncStart", "asyncEnd", "error"].map((step) => "tracing:sendall.handle:" + step);
  let [calls, isClosing] = [0, false];
  for (const name of [...names, "sendall.open", "sendall.closed", "sendall.refused"])
    subscribe(name, () => {
      calls++;
      if (!isClosing) setImmediate(() => { throw new Error("later"); });
      Promise.reject(new Error("rejected"));
      throw new Error("of " + name);
    });
  tracingChannel("sendall.handle").start.bindStore(new AsyncLocalStorage(), () => { throw new Error("transform"); });
  const errors = [];
  const logger = { level: "error", debug() {}, info() {}, warn() {}, error: ({ err }, line) => errors.push(line + ": " + err.message), child: () => logger };
  const handled = [];
  const server = await serve({
    port: 0,
    logger,
    supervise: { intensity: 1 },
    async handler(event, bus) {
      handled.push(event.type);
      await undefined;
      if (event.type === "message") bus.unicast(event.text, event.connection);
    },
  });
  const client = new WebSocket(server.url);
  await once(client, "open");
  const answers = [];
  for (const text of ["one", "two", "three"]) {
    client.send(text);
    answers.push(String((await once(client, "message"))[0]));
  }
  const refused = new WebSocket(server.url, { origin: "https://evil.example" });
  const [refusal] = await once(refused, "error");
`;

test("subscribers that throw harm neither a connection nor the server, and are logged once", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING}
    isClosing = true;
    client.close(1000);
    const [closeCode] = await once(client, "close");
    await server.close();
    const { failures, handlerFailures } = server.stats();
    console.log(JSON.stringify({ answers, refusal: refusal.message, closeCode, handled, failures, handlerFailures, errors, calls }));
  `);
  expect([code, errors]).toEqual([0, ""]);
  expect(JSON.parse(output)).toEqual({
    answers: ["one", "two", "three"],
    refusal: "Unexpected server response: 403",
    closeCode: 1000,
    handled: ["open", "message", "message", "message", "closed"],
    failures: [],
    handlerFailures: 0,
    errors: ["a subscriber of a diagnostics channel failed; further failures are not logged: of sendall.open"],
    // Five events of four steps each, and three messages of the other channels.
    calls: 23,
  });
});

test("subscribers that throw while the last server closes do not end the process", async () => {
  const { code, output, errors } = await runToEnd(`${THROWING}
    process.on("exit", (code) => console.log("exit", code, handled.at(-1)));
    isClosing = true;
    await server.close({ drainMs: 0 });
  `);
  expect([code, output, errors]).toEqual([0, "exit 0 closed", ""]);
});

test("what the handler leaks is charged to its event, traced or not", async () => {
  const { code, output, errors } = await runToEnd(`
    import { subscribe } from "node:diagnostics_channel";
    import { once } from "node:events";
    import { serve } from "sendall";
    import { WebSocket } from "ws";
    subscribe("tracing:sendall.handle:start", () => {});
    const server = await serve({
      port: 0,
      logger: false,
      handler(event) {
        if (event.type === "message") setImmediate(() => { throw new Error("mine"); });
      },
    });
    const client = new WebSocket(server.url);
    await once(client, "open");
    client.send("hello");
    while (server.stats().failures.length < 1) await new Promise(setImmediate);
    console.log(server.stats().failures.map(({ event, connection, error }) => [event, typeof connection, error.message].join()).join());
    process.exit();
  `);
  expect([code, output, errors]).toEqual([0, "exception,string,mine", ""]);
});
