/** `otel` of `sendall/otel` with the real SDK: which spans a server makes, and of what they are made. */
import { context, SpanKind, SpanStatusCode, trace as traces } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { channels, fromLogic, type Handler, perConnection, reply, SendallError } from "sendall";
import { otel } from "sendall/otel";
import { protocol, refuse } from "sendall/protocol";
import { type ConnectOptions, createTestRuntime, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { fromTransition } from "xstate";
import { z } from "zod";
import { Peer } from "../session/peer.js";
import { type Sdk, setUpSdk, shown, trace } from "./sdk.js";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";
const headers = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` };

function run(options: TestRuntimeOptions): TestRuntime {
  const runtime = createTestRuntime({ logger: false, failures: "supervise", ...options });
  onTestFinished(() => runtime.close());
  return runtime;
}

async function playLife(
  runtime: TestRuntime,
  messages: readonly string[],
  options: ConnectOptions = {},
): Promise<void> {
  const client = await runtime.connect(options);
  for (const message of messages) {
    client.send(message);
    await runtime.settle();
  }
  client.close(1000);
  await runtime.settle();
}

const attributesOf = (event: string, route: string): object => ({
  "messaging.system": "sendall",
  "messaging.operation.name": event,
  "messaging.operation.type": "process",
  "messaging.destination.template": route,
});
const OK = { code: SpanStatusCode.UNSET };

function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const found = spans.filter((span) => span.name === name);
  if (found.length !== 1) throw new Error(`${found.length} spans are called ${name}`);
  return found[0] as ReadableSpan;
}

describe("otel", () => {
  test("makes a span for each handled event, with the names of the conventions, and nothing of the peer but a size", async () => {
    const { spans } = trace();
    const runtime = run({ routes: { "/rooms/:name": { handler: () => {} } } });
    await playLife(runtime, ["naïve"], { path: "/rooms/secret", query: { token: "secret" }, headers });
    const links = [`${TRACE_ID} ${SPAN_ID}`];
    const route = "/rooms/:name";
    expect(spans().map(shown)).toEqual([
      { name: "open /rooms/:name", attributes: attributesOf("open", route), status: OK, links },
      {
        name: "message /rooms/:name",
        attributes: { ...attributesOf("message", route), "messaging.message.body.size": 6 },
        status: OK,
        links,
      },
      { name: "closed /rooms/:name", attributes: attributesOf("closed", route), status: OK, links },
    ]);
    expect(
      spans().map(({ kind, parentSpanContext, instrumentationScope }) => [
        kind,
        parentSpanContext,
        instrumentationScope.name,
      ]),
    ).toEqual(spans().map(() => [SpanKind.CONSUMER, undefined, "sendall"]));
    expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(3);
  });

  test("makes no span for the life of a connection, nor for a recipient", async () => {
    const { spans } = trace();
    const runtime = run({ handler: (event, bus) => void (event.type === "message" && bus.sendall(event.data)) });
    const others = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
    const before = spans().length;
    await playLife(runtime, ["hello"]);
    expect(others.map((client) => client.take())).toEqual([["hello"], ["hello"], ["hello"]]);
    expect(
      spans()
        .slice(before)
        .map(({ name }) => name),
    ).toEqual(["open *", "message *", "closed *"]);
  });

  test("names the channel beside the route", async () => {
    const { spans } = trace();
    const runtime = run({ routes: { "/ws": { handler: channels({ news: () => {} }) } } });
    await playLife(runtime, ["sub,news", "msg,news,four"], { path: "/ws" });
    expect(spans().map(({ name }) => name)).toEqual(["open /ws", "message /ws", "closed /ws"]);
    expect(spans()[1]?.attributes).toEqual({
      ...attributesOf("message", "/ws"),
      "messaging.destination.subscription.name": "news",
      "messaging.message.body.size": 4,
    });
  });

  test("adds the attributes of the program", async () => {
    const { spans } = trace({ attributes: ({ event }) => ({ "enduser.id": String(event.connection?.data.user) }) });
    const runtime = run({ handler: () => {}, authorize: () => ({ user: "ann" }) });
    await playLife(runtime, []);
    expect(spans()[0]?.attributes).toEqual({ ...attributesOf("open", "*"), "enduser.id": "ann" });
  });

  test("takes the provider that the program registers, later too", async () => {
    const sdk = setUpSdk();
    onTestFinished(otel());
    traces.setGlobalTracerProvider(sdk.provider);
    onTestFinished(() => traces.disable());
    await playLife(run({ handler: () => {} }), []);
    expect(sdk.spans().map(({ name }) => name)).toEqual(["open *", "closed *"]);
  });

  test("works without an SDK", async () => {
    onTestFinished(otel());
    const seen: string[] = [];
    await playLife(run({ handler: (event) => void seen.push(event.type) }), ["hello"]);
    expect(seen).toEqual(["open", "message", "closed"]);
  });

  test("makes spans twice when called twice, the later within the earlier", async () => {
    const sdk = trace();
    onTestFinished(otel({ tracerProvider: sdk.provider, attributes: () => ({ second: true }) }));
    const active: unknown[] = [];
    await playLife(run({ handler: () => void active.push(traces.getActiveSpan()?.spanContext().spanId) }), []);
    expect(sdk.spans().map(({ attributes }) => attributes.second)).toEqual([undefined, true, undefined, true]);
    const later = sdk.spans().filter(({ attributes }) => attributes.second);
    expect(active).toEqual(later.map((span) => span.spanContext().spanId));
  });

  test("makes no more spans after its end, and ends those of events under way", async () => {
    const sdk = setUpSdk();
    const stop = otel({ tracerProvider: sdk.provider });
    let finish = (): void => {};
    const runtime = run({
      handler: (event) =>
        event.type === "message" &&
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
      handlerTimeoutMs: 10_000,
    });
    const client = await runtime.connect();
    client.send("hello");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    stop();
    stop();
    finish();
    client.close();
    await runtime.settle();
    expect(sdk.spans().map(({ name }) => name)).toEqual(["open *", "message *"]);
  });

  test.each<[options: unknown, problem: string]>([
    [{ provider: {} }, "provider: unknown option: the options are tracerProvider, attributes"],
    [{ tracerProvider: {} }, "tracerProvider: expected a tracer provider of OpenTelemetry, with getTracer(), got {}"],
    [{ attributes: "user" }, 'attributes: expected a function, got "user"'],
    ["sendall", 'options: expected an object, got "sendall"'],
  ])("refuses %j", (options, problem) => {
    expect(() => otel(options as object)).toThrow(expect.objectContaining({ code: "BAD_OPTION", message: problem }));
  });
});

describe("a span that the handler makes", () => {
  const talk = protocol({ fromClient: { say: z.string() }, fromServer: {} });
  /** Makes a span after an await, as a driver of a database does. */
  const query =
    ({ provider }: Sdk) =>
    async (): Promise<void> => {
      await Promise.resolve();
      provider.getTracer("database").startSpan("query").end();
    };

  const SHAPES: Readonly<Record<string, (ask: () => Promise<void>) => Handler>> = {
    "an async function": (ask) => (event) => (event.type === "message" ? ask() : undefined),
    "a state": (ask) => ({
      init: () => 0,
      handle: async (event, count: number) => {
        if (event.type === "message") await ask();
        return count + 1;
      },
    }),
    "a protocol": (ask) => talk.handler({ say: ask }),
    "a module": (ask) => perConnection({ init: () => 0, handle: async () => ask().then(() => reply("done", 1)) }),
    logic: (ask) =>
      fromLogic(
        fromTransition(
          (state, event: { type: string }) => {
            if (event.type === "message") void ask();
            return state;
          },
          () => ({}),
        ),
      ),
    "a channel": (ask) => channels({ news: (event) => (event.type === "message" ? ask() : undefined) }),
  };

  test.each(Object.entries(SHAPES))("is a child of the span of the event, for %s", async (shape, create) => {
    const sdk = trace();
    const messages = { "a protocol": ['["say","hello"]'], "a channel": ["sub,news", "msg,news,hello"] }[shape] ?? [
      "hello",
    ];
    await playLife(run({ handler: create(query(sdk)) }), messages);
    const [parent, child] = [named(sdk.spans(), "message *"), named(sdk.spans(), "query")];
    expect(child.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    expect(child.spanContext().traceId).toBe(parent.spanContext().traceId);
  });

  test("is a child of the span of the open event, for a loop", async () => {
    const sdk = trace();
    const ask = query(sdk);
    const handler = perConnection(async (connection) => {
      for await (const _message of connection) await ask();
    });
    await playLife(run({ handler }), ["hello"]);
    expect(named(sdk.spans(), "query").parentSpanContext?.spanId).toBe(
      named(sdk.spans(), "open *").spanContext().spanId,
    );
  });

  test("belongs to its own event, however many run side by side", async () => {
    const sdk = trace();
    const handler: Handler = async (event, bus) => {
      if (event.type !== "message") return;
      const tracer = sdk.provider.getTracer("database");
      await bus.sleep(Number(event.text));
      tracer.startSpan(`query ${event.connection.data.name}`).end();
    };
    const runtime = run({ handler, concurrency: "connection" });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    runtime.server.connections().forEach((connection, i) => {
      connection.data.name = i === 0 ? "ann" : "bob";
    });
    ann.send("200");
    bob.send("100");
    await runtime.advance(200);
    const spanIds = sdk.spans().filter(({ name }) => name === "message *");
    expect(
      spanIds.map(
        (span) =>
          sdk.spans().find(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)?.name,
      ),
    ).toEqual(["query bob", "query ann"]);
  });
});

describe("a span of an event that fails", () => {
  class Broken extends Error {
    override readonly name = "Broken";
  }

  test.each<[what: string, thrown: unknown, type: string, message: string]>([
    ["an error with a name", new Broken("no"), "Broken", "no"],
    ["an error with a code", Object.assign(new Error("refused"), { code: "ECONNREFUSED" }), "ECONNREFUSED", "refused"],
    ["an error of ours", new SendallError("BAD_ROOM", "room: no"), "BAD_ROOM", "room: no"],
    ["a string", "no", "_OTHER", '"no"'],
    ["nothing", undefined, "_OTHER", "undefined"],
    [
      "an error that cannot be read",
      new Proxy(new Error("no"), {
        get: () => {
          throw new Error("never");
        },
      }),
      "_OTHER",
      "an error whose message cannot be read",
    ],
  ])("has the type of %s", async (_what, thrown, type, message) => {
    for (const isAsync of [false, true]) {
      const { spans } = trace();
      const handler: Handler = (event) => {
        if (event.type !== "message") return;
        if (isAsync) return Promise.reject(thrown);
        throw thrown;
      };
      await playLife(run({ handler }), ["hello"]);
      const { attributes, status, events } = named(spans(), "message *");
      expect([attributes["error.type"], status]).toEqual([type, { code: SpanStatusCode.ERROR, message }]);
      expect(events).toMatchObject([
        { name: "exception", attributes: { "exception.type": type, "exception.message": message } },
      ]);
    }
  });

  test("has the type HANDLER_TIMEOUT after handlerTimeoutMs", async () => {
    const { spans } = trace();
    const handler: Handler = (event) => (event.type === "message" ? new Promise(() => {}) : undefined);
    const runtime = run({ handler, handlerTimeoutMs: 500 });
    (await runtime.connect()).send("hello");
    await runtime.advance(500);
    expect(named(spans(), "message *").attributes["error.type"]).toBe("HANDLER_TIMEOUT");
  });

  test("is none where a protocol's function refuses", async () => {
    const { spans } = trace();
    const talk = protocol({ fromClient: { say: z.string() }, fromServer: {} });
    const handler = talk.handler({
      say() {
        throw refuse("FULL");
      },
    });
    await playLife(run({ handler }), ['["say","hello"]']);
    expect([named(spans(), "message *").status, named(spans(), "message *").attributes["error.type"]]).toEqual([
      OK,
      undefined,
    ]);
  });

  test("loses nothing when the program's attributes throw", async () => {
    const errors: unknown[] = [];
    const { spans } = trace({
      attributes() {
        throw new Error("of the program");
      },
    });
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    onTestFinished(() => listeners.forEach((listener) => void process.on("uncaughtException", listener)));
    const logger = {
      level: "error",
      debug() {},
      info() {},
      warn() {},
      error: ({ err }: { err?: unknown }) => void errors.push(err),
      child: () => logger,
    };
    const seen: string[] = [];
    await playLife(run({ logger, handler: (event) => void seen.push(event.type) }), ["hello"]);
    expect(seen).toEqual(["open", "message", "closed"]);
    expect(spans().map(({ name }) => name)).toEqual(["open *", "message *", "closed *"]);
    expect(errors).toMatchObject([{ message: "of the program" }]);
  });
});

describe("the link of a span", () => {
  const linksOf = (spans: readonly ReadableSpan[]): string[] =>
    spans.map(({ links }) => links.map((link) => link.context.spanId).join());

  test("is to the span that was active at the upgrade, before the one in the headers", async () => {
    const { provider, spans } = trace();
    const span = provider.getTracer("program").startSpan("upgrade");
    const runtime = run({ handler: () => {}, authorize: async () => ({}) });
    await context.with(traces.setSpan(context.active(), span), () => runtime.connect({ headers }));
    await runtime.settle();
    expect(linksOf(spans())).toEqual([span.spanContext().spanId]);
    // The turn that handles the event was scheduled within the span of the upgrade.
    expect(spans()[0]?.parentSpanContext).toBeUndefined();
  });

  test("is to the span in the headers, for connections that are older than the tracing as well", async () => {
    const runtime = run({ handler: () => {} });
    const client = await runtime.connect({ headers });
    const { spans } = trace();
    client.send("hello");
    await runtime.settle();
    expect(linksOf(spans())).toEqual([SPAN_ID]);
  });

  test.each([
    ["no header", {}],
    ["a header that names no span", { traceparent: "00-00000000000000000000000000000000-0000000000000000-01" }],
    ["a header that is none", { traceparent: "<script>" }],
  ])("is none with %s", async (_what, given) => {
    const { spans } = trace();
    await playLife(run({ handler: () => {} }), [], { headers: given });
    expect(linksOf(spans())).toEqual(["", ""]);
  });

  test("is that of the socket, for the subscriptions of channels", async () => {
    const { provider, spans } = trace();
    const span = provider.getTracer("program").startSpan("upgrade");
    const runtime = run({ handler: channels({ outer: channels({ inner: () => {} }) }) });
    const client = await context.with(traces.setSpan(context.active(), span), () => runtime.connect());
    client.send("sub,outer");
    client.send("msg,outer,sub,inner");
    await runtime.settle();
    expect(linksOf(spans())).toEqual([span.spanContext().spanId]);
  });

  test("is to the newest upgrade of a session that names a span", async () => {
    const { spans } = trace();
    const runtime = run({ handler: () => {}, resume: true });
    const peer = await Peer.open(runtime, { headers });
    const newest = "b9c7c989f97918e1";
    await peer.blink({ headers: { traceparent: `00-${TRACE_ID}-${newest}-01` } });
    await peer.blink({ headers: {} });
    expect(spans().map(({ name, links }) => `${name.split(" ")[0]} ${links[0]?.context.spanId}`)).toEqual([
      `open ${SPAN_ID}`,
      `away ${SPAN_ID}`,
      `back ${newest}`,
      `away ${newest}`,
      `back ${newest}`,
    ]);
  });

  test("is none for an event of no connection", async () => {
    const { spans } = trace();
    const runtime = run({ handler: () => {} });
    await runtime.connect({ headers });
    runtime.server.tell("news");
    await runtime.settle();
    expect(linksOf(spans())).toEqual([SPAN_ID, ""]);
  });
});
