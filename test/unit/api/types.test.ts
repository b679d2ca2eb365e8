/** What the compiler knows: data, params and state are inferred, and wrong use does not compile. Checked by `tsc`. */
import {
  type Bus,
  type Connection,
  type ConnectionData,
  type Params,
  reject,
  route,
  type ServeOptions,
  type ServerEvent,
  serve,
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
  expect([uses, misuses].every((one) => typeof one === "function")).toBe(true);
});
