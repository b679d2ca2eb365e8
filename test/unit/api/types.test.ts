/** What the compiler knows: data, params and state are inferred, and wrong use does not compile. Checked by `tsc`. */
import { createServer } from "node:http";
import {
  attach,
  type Bus,
  type Connection,
  type ConnectionData,
  type HandlerFunction,
  type Params,
  perConnection,
  type RouteOptions,
  reject,
  reply,
  route,
  type ServeOptions,
  type ServerEvent,
  type StatefulHandler,
  serve,
  type UpgradeRequest,
} from "sendall";
import { createTestRuntime } from "sendall/testing";
import { expect, expectTypeOf, test } from "vitest";

interface User {
  readonly name: string;
}
const user: User = { name: "ann" };

/** Not called: what matters is that it compiles, and how. */
function uses(): void {
  serve({
    handler(event, bus) {
      expectTypeOf(event).toEqualTypeOf<ServerEvent>();
      expectTypeOf(bus).toEqualTypeOf<Bus>();
      if (event.type === "message") {
        expectTypeOf(event.connection.data).toEqualTypeOf<ConnectionData>();
        expectTypeOf(event.connection.params).toEqualTypeOf<Params>();
        expectTypeOf(event.data).toEqualTypeOf<string | Buffer>();
      }
      // @ts-expect-error an info event may be about nobody
      if (event.type === "info") event.connection.close();
    },
  });

  serve({
    authorize: async ({ query }) => (query.has("token") ? user : reject(401, "who are you?")),
    handler(event, bus) {
      if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<User>();
      expectTypeOf(bus.members("room")).toEqualTypeOf<Connection<User>[]>();
    },
  });

  serve({
    authorize: () => user,
    handler: {
      init: () => ({ count: 0 }),
      handle(event, state) {
        expectTypeOf(state).toEqualTypeOf<{ count: number }>();
        if (event.type === "open") expectTypeOf(event.connection.data.name).toBeString();
        return { count: state.count + 1 };
      },
      stop(state) {
        expectTypeOf(state.count).toBeNumber();
      },
    },
  });

  serve({
    routes: {
      "/plain": {
        handler: (event) => {
          if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<ConnectionData>();
        },
      },
      "/inline/:name": {
        authorize: (request) => ({ nick: request.params.name }),
        handler(event) {
          if (event.type === "open") expectTypeOf(event.connection.params.name).toBeString();
        },
      },
      "/lobby/:floor": {
        authorize: () => user,
        handler(event) {
          if (event.type !== "open") return;
          expectTypeOf(event.connection.data).toEqualTypeOf<User>();
          expectTypeOf(event.connection.params.floor).toBeString();
        },
      },
      "/room/:room/seat/:seat": route({
        authorize: ({ params }) => {
          expectTypeOf(params.room).toBeString();
          return user;
        },
        handler(event) {
          if (event.type !== "open") return;
          expectTypeOf(event.connection.data).toEqualTypeOf<User>();
          expectTypeOf(event.connection.params.seat).toBeString();
          // @ts-expect-error the path has no such part
          event.connection.params.table;
        },
      }),
      "/counter": route({
        authorize: () => 42,
        handler: {
          init: () => "a",
          handle(event, state) {
            expectTypeOf(state).toBeString();
            if (event.type === "open") expectTypeOf(event.connection.data).toBeNumber();
          },
        },
      }),
    },
  });

  serve({ authorize: () => user, handler() {} }).then((server) => {
    expectTypeOf(server.connections()).toEqualTypeOf<Connection<User>[]>();
    expectTypeOf(server.members("room")).toEqualTypeOf<Connection<User>[]>();
  });

  serve<{ nick?: string }>({
    handler(event) {
      if (event.type === "open") expectTypeOf(event.connection.data.nick).toEqualTypeOf<string | undefined>();
    },
  });

  serve({ handler: (event, bus) => event.type === "open" && bus.sendall("a handler may return anything") });

  const runtime = createTestRuntime({ authorize: () => user, handler() {} });
  expectTypeOf(runtime.server.connections()).toEqualTypeOf<Connection<User>[]>();

  createTestRuntime({
    authorize: () => user,
    handler(event) {
      if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<User>();
    },
  });
}

/** `verify` sees the data of `authorize` and the params of the path, and decides on neither type. */
function returns(): void {
  const verify = (request: UpgradeRequest, connection: Connection<User>): boolean =>
    request.cookies.name === connection.data.name;
  serve({
    authorize: () => user,
    resume: {
      async verify(request, connection) {
        expectTypeOf(request).toEqualTypeOf<UpgradeRequest>();
        expectTypeOf(connection).toEqualTypeOf<Connection<User>>();
        return true;
      },
    },
    handler: (event) => event.type === "open" && expectTypeOf(event.connection.data).toEqualTypeOf<User>(),
  });
  serve({ authorize: () => user, resume: { verify }, handler() {} });
  serve({
    resume: { verify: (_request, connection) => connection.data.a === 1 },
    handler: (event) => event.type === "open" && expectTypeOf(event.connection.data).toEqualTypeOf<ConnectionData>(),
  });
  serve({
    routes: {
      "/room/:room": route({
        authorize: () => user,
        resume: {
          verify(request, connection) {
            expectTypeOf(request.params.room).toBeString();
            expectTypeOf(connection.data).toEqualTypeOf<User>();
            return connection.params.room === request.params.room;
          },
        },
        handler() {},
      }),
      "/inline/:room": {
        authorize: () => user,
        resume: {
          graceMs: 1_000,
          verify(request, connection) {
            expectTypeOf(request.params.room).toBeString();
            expectTypeOf(connection.data).toEqualTypeOf<User>();
            return connection.params.room === request.params.room;
          },
        },
        handler(event) {
          if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<User>();
        },
      },
      "/number": { authorize: () => 42, resume: { verify: (_request, { data }) => data === 42 }, handler() {} },
      "/plain": { resume: { verify: (_request, { data }) => data.a === 1 }, handler() {} },
      "/on": { resume: true, handler() {} },
    },
  });
  createTestRuntime({
    authorize: () => user,
    resume: { verify: (_request, { data }) => data.name === "" },
    handler() {},
  });
  // @ts-expect-error the answer is true or false
  serve({ resume: { verify: () => "yes" }, handler() {} });
  // @ts-expect-error the connections carry no nick
  serve({ authorize: () => user, resume: { verify: (_request, { data }) => data.nick === "" }, handler() {} });
  // @ts-expect-error there is no such key
  serve({ resume: { grace: 1 }, handler() {} });
}

/** Routes written out in `routes`. */
function inlineRoutes(): void {
  serve({
    routes: {
      "/state": {
        handler: {
          init: () => 0,
          handle(event, count, bus) {
            expectTypeOf(count).toBeNumber();
            expectTypeOf(event).toEqualTypeOf<ServerEvent<ConnectionData, Record<never, string>>>();
            bus.sendall(`message number ${count + 1}`);
            return count + 1;
          },
          stop(count) {
            expectTypeOf(count).toBeNumber();
          },
        },
      },
      "/both/:part": {
        authorize: async () => (Math.random() > 0.5 ? user : reject(401)),
        handler: {
          async init() {
            return ["a"];
          },
          async handle(event, words) {
            expectTypeOf(words).toEqualTypeOf<string[]>();
            if (event.type !== "open") return;
            expectTypeOf(event.connection.data).toEqualTypeOf<User>();
            expectTypeOf(event.connection.params.part).toBeString();
          },
        },
      },
      "/typed/:name": {
        authorize: ({ query, params }: UpgradeRequest<{ name: string }>) => ({
          name: params.name,
          of: query.get("of"),
        }),
        handler(event, bus) {
          if (event.type !== "open") return;
          expectTypeOf(event.connection.data).toEqualTypeOf<{ name: string; of: string | null }>();
          expectTypeOf(event.connection.params.name).toBeString();
          expectTypeOf(bus.connections()[0]?.data.name).toEqualTypeOf<string | undefined>();
        },
      },
      "/module": {
        authorize: (_request: UpgradeRequest) => user,
        handler: perConnection({
          init: ({ data }) => data.name.length,
          handle: (message, length) => reply(message, length + 1),
        }),
      },
      "/bus": {
        handler: {
          init: (bus: Bus) => bus.now(),
          handle(_event, since) {
            expectTypeOf(since).toBeNumber();
          },
        },
      },
    },
  });
  createTestRuntime({
    routes: { "/state": { handler: { init: () => "", handle: (event, all) => all + event.type } } },
  });
  attach(createServer(), {
    routes: { "/state": { handler: { init: () => [0], handle: (_event, all) => [...all, all.length] } } },
  });
}

/** What TypeScript does not infer within a mapped type: `route` is the way, and these would fail if the compiler learned more. */
function notInferred(): void {
  serve({
    routes: {
      "/data": {
        authorize: ({ query }) => ({ nick: query.get("nick") ?? "" }),
        handler(event) {
          if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<ConnectionData>();
        },
      },
      "/state": {
        handler: {
          init: (bus) => bus.now(),
          handle(_event, since) {
            expectTypeOf(since).toBeUnknown();
          },
        },
      },
      "/data-by-route": route({
        authorize: ({ query }) => ({ nick: query.get("nick") ?? "" }),
        handler(event) {
          if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<{ nick: string }>();
        },
      }),
      "/state-by-route": route({
        handler: {
          init: (bus) => bus.now(),
          handle(_event, since) {
            expectTypeOf(since).toBeNumber();
          },
        },
      }),
    },
  });
}

/** What programs have written before, and write in other ways. */
function otherWays(): void {
  const typed: HandlerFunction<User> = (event) => void event;
  const stateful: StatefulHandler<number, User> = { init: () => 0, handle: (_event, n) => n };
  serve({
    routes: {
      "/annotated": {
        handler(event: ServerEvent<User>, bus: Bus<User>) {
          if (event.type === "open") bus.sendall(event.connection.data.name);
        },
      },
      "/typed": { handler: typed },
      "/typed-and-let-in": { authorize: () => user, handler: typed },
      "/stateful": { handler: stateful },
      "/state": { handler: { init: () => 0, handle: (_event, n: number) => n + 1 } },
      "/none": { handler: { init() {}, handle() {} } },
      "/class": {
        handler: new (class {
          init = () => 0;
          handle(_event: ServerEvent, n: number) {
            return n;
          }
        })(),
      },
      "/number": {
        authorize: () => 42,
        handler(event) {
          if (event.type === "open") expectTypeOf(event.connection.data).toBeNumber();
        },
      },
    },
  });
  const routes: Record<string, RouteOptions> = { "/a": { handler() {} } };
  serve({ routes });
  serve({ routes: Object.fromEntries(["/a", "/b"].map((path) => [path, { handler: (_event: ServerEvent) => {} }])) });
  const options: ServeOptions<User, number, { "/a": User }> = {
    routes: {
      "/a": { authorize: () => user, handler: (event) => event.type === "open" && event.connection.data.name },
    },
  };
  serve(options);
  const every: ServeOptions = { port: 0, routes: { "/a": { authorize: () => ({ a: 1 }), handler() {} } } };
  serve(every);
  serve<ConnectionData, unknown, { "/a": User }>({
    routes: { "/a": { handler: (event) => event.type === "open" && event.connection.data.name } },
  });
}

/** Nor is this one. */
function misuses(): void {
  // @ts-expect-error a server has something to run
  serve({ port: 8080 });
  // @ts-expect-error one handler, or several by path
  serve({ handler() {}, routes: { "/a": { handler() {} } } });
  // @ts-expect-error a handler gets events, not sockets
  serve({ handler: (socket: { on: () => void }) => socket });
  // @ts-expect-error the word is not one of the policies
  serve({ outbox: { slowConsumer: "drop" }, handler() {} });
  // @ts-expect-error there is no such option
  serve({ prot: 8080, handler() {} });
  // @ts-expect-error a message is a string or bytes
  serve({ handler: (event, bus) => void bus.sendall({ type: event.type }) });
  // @ts-expect-error the next state has another type
  serve({ handler: { init: () => 0, handle: (_event, _state: number) => "one" } });
  // @ts-expect-error the next state has another type
  serve({ routes: { "/a": { handler: { init: () => 0, handle: () => "one" } } } });
  // @ts-expect-error there is no such option
  serve({ routes: { "/a": { origin: "any", handler() {} } } });
  serve({
    routes: {
      "/a": {
        authorize: () => user,
        // @ts-expect-error the connections carry no nick
        handler: (event) => event.type === "open" && event.connection.data.nick,
      },
    },
  });
  // @ts-expect-error a route has a handler
  serve({ routes: { "/a": {} } });
  // @ts-expect-error that is an option of the server
  route({ port: 8080, handler() {} });
  // @ts-expect-error an id is not made, it is given
  const connection: Connection = { id: "c1" };
  expectTypeOf<ServeOptions>().toHaveProperty("handler");
  expectTypeOf(connection.id).not.toEqualTypeOf<string>();
}

test("the compiler has checked this file", () => {
  expect([uses, returns, inlineRoutes, notInferred, otherWays, misuses].every((one) => typeof one === "function")).toBe(
    true,
  );
});
