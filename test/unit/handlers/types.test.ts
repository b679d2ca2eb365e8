/** What the compiler knows of the shapes: data, state and params are inferred, and wrong use does not compile. Checked by `tsc`. */
import {
  type AwayEvent,
  type BackEvent,
  type Bus,
  type Connection,
  type ConnectionData,
  channels,
  close,
  type Ending,
  fromLogic,
  type InfoEvent,
  idle,
  type LogicInput,
  noreply,
  type Params,
  perConnection,
  ping,
  pong,
  type Reply,
  reject,
  reply,
  route,
  type ServerEvent,
  serve,
  type UpgradeRequest,
} from "sendall";
import { createTestRuntime } from "sendall/testing";
import { expect, expectTypeOf, test } from "vitest";
import { createMachine, fromCallback, fromTransition, setup } from "xstate";

interface User {
  readonly name: string;
}
const user: User = { name: "ann" };

/** Not called: what matters is that it compiles, and how. */
function modules(): void {
  serve({
    handler: perConnection({
      init(connection, bus) {
        expectTypeOf(connection).toEqualTypeOf<Connection>();
        expectTypeOf(bus).toEqualTypeOf<Bus>();
        return { count: 0 };
      },
      handle(message, state, connection, bus) {
        expectTypeOf(message).toEqualTypeOf<string | Buffer>();
        expectTypeOf(state).toEqualTypeOf<{ count: number }>();
        expectTypeOf(connection.data).toEqualTypeOf<ConnectionData>();
        expectTypeOf(bus).toEqualTypeOf<Bus>();
        return reply(message, { count: state.count + 1 });
      },
    }),
  });

  serve({
    authorize: () => ({ user: "x" }),
    handler: perConnection({
      async init(connection) {
        expectTypeOf(connection.data).toEqualTypeOf<{ user: string }>();
        return [connection.data.user];
      },
      async handle(message, state, connection, bus) {
        expectTypeOf(state).toEqualTypeOf<string[]>();
        expectTypeOf(connection.data.user).toBeString();
        expectTypeOf(bus).toEqualTypeOf<Bus<{ user: string }>>();
        return [noreply(state), reply(message, state), ping(state), pong(state, "x"), close(state, 1000, "bye")];
      },
      info(data, state) {
        expectTypeOf(data).toBeUnknown();
        return noreply(state);
      },
      idle(silence, state) {
        expectTypeOf(silence).toEqualTypeOf<typeof idle>();
        return ping(state);
      },
      away(state, connection, bus) {
        expectTypeOf(state).toEqualTypeOf<string[]>();
        expectTypeOf(connection.data.user).toBeString();
        expectTypeOf(bus).toEqualTypeOf<Bus<{ user: string }>>();
        return noreply(state);
      },
      back({ replayed, lost }, state, connection) {
        expectTypeOf(replayed).toBeNumber();
        expectTypeOf(lost).toBeNumber();
        expectTypeOf(connection.data.user).toBeString();
        return reply(`missed ${lost}`, state);
      },
      ping(data, state) {
        expectTypeOf(data).toEqualTypeOf<Buffer>();
        return reply(data, state);
      },
      pong: (_data, state) => noreply(state),
      closed(state, connection, ending) {
        expectTypeOf(state).toEqualTypeOf<string[]>();
        expectTypeOf(connection.data.user).toBeString();
        expectTypeOf(ending).toEqualTypeOf<Ending>();
      },
    }),
  });

  // The plain objects that the helpers build, and several kinds of reply.
  serve({
    handler: perConnection({
      init: () => 0,
      handle(message, state) {
        if (message === "quiet") return { type: "noreply", state };
        if (message === "close") return close(state);
        return message === "none" ? [] : [{ type: "reply", data: message, state: state + 1 }];
      },
    }),
  });

  serve({
    handler: perConnection<number, User>({ init: () => 0, handle: (_message, n, { data }) => reply(data.name, n) }),
  });
}

function loops(): void {
  serve({
    authorize: () => user,
    handler: perConnection(async (connection, bus) => {
      expectTypeOf(connection.data).toEqualTypeOf<User>();
      expectTypeOf(bus).toEqualTypeOf<Bus<User>>();
      for await (const message of connection) {
        expectTypeOf(message).toEqualTypeOf<string | Buffer | typeof idle | InfoEvent<User>>();
        if (message === idle) connection.ping();
        else if (typeof message === "string" || Buffer.isBuffer(message)) bus.broadcast(message, connection);
        else expectTypeOf(message.data).toBeUnknown();
      }
      const { value } = await connection[Symbol.asyncIterator]().next();
      expectTypeOf<Ending>().toExtend<typeof value>();
    }),
  });
}

type Typed = ServerEvent<User>;

function logics(): void {
  const machine = setup({
    types: { events: {} as Typed, input: {} as LogicInput<User>, context: {} as { bus: Bus<User> } },
  }).createMachine({ context: ({ input }) => ({ bus: input.bus }) });
  serve({ authorize: () => user, handler: fromLogic(machine) });
  serve({ handler: fromLogic(createMachine({})) });
  serve({ handler: fromLogic(fromTransition((count: number, event: ServerEvent) => count + event.type.length, 0)) });
  serve({
    handler: fromLogic(
      fromCallback<ServerEvent, LogicInput>(({ input, receive }) => receive(() => void input.bus.sendall("x"))),
    ),
  });
  const some = setup({
    types: { events: {} as Extract<ServerEvent, { type: "message" | "closed" }>, input: {} as LogicInput },
  }).createMachine({ on: { message: {}, closed: {} } });
  serve({ handler: fromLogic(some) });
  const awayAndBack = setup({
    types: { events: {} as AwayEvent<User> | BackEvent<User> | { type: "tick" }, input: {} as LogicInput<User> },
  }).createMachine({ on: { away: {}, back: {} } });
  serve({ authorize: () => user, resume: true, handler: fromLogic(awayAndBack) });
  const own = setup({ types: { events: {} as ServerEvent | { type: "tick" } } }).createMachine({ after: { 10: {} } });
  serve({ handler: fromLogic(own) });
}

/** An `authorize` that looks at its request says what that is: then the compiler knows in time what it returns. */
function annotated(): void {
  serve({
    authorize: async ({ query }: UpgradeRequest) => (query.has("token") ? user : reject(401)),
    handler: perConnection({
      init: ({ data }) => data.name,
      handle: (_message, name, { data }) => reply(data.name, name),
    }),
  });
  serve({
    routes: {
      "/:room": route({
        authorize: ({ params }: UpgradeRequest<{ room: string }>) => ({ room: params.room }),
        handler: channels({
          a: perConnection(async ({ data, params }) => {
            expectTypeOf(data.room).toBeString();
            expectTypeOf(params.room).toBeString();
          }),
        }),
      }),
    },
  });
  // Without it the types are given by hand.
  serve({
    authorize: ({ query }) => ({ nick: query.get("nick") }),
    handler: perConnection<{ nick: string | null }>(async ({ data }) => void data.nick?.length),
  });
}

function manyChannels(): void {
  serve({
    authorize: () => user,
    handler: channels({
      inline(event, bus) {
        expectTypeOf(event).toEqualTypeOf<ServerEvent<User>>();
        expectTypeOf(bus).toEqualTypeOf<Bus<User>>();
      },
      arrow: (event) => {
        if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<User>();
      },
      counter: {
        init: () => ({ count: 0 }),
        handle(event, state) {
          expectTypeOf(state).toEqualTypeOf<{ count: number }>();
          if (event.type === "open") expectTypeOf(event.connection.data.name).toBeString();
          return { count: state.count + 1 };
        },
      },
      module: perConnection({
        init: ({ data }) => data.name,
        handle(message, state) {
          expectTypeOf(state).toBeString();
          return reply(message, state);
        },
      }),
      loop: perConnection(async (connection) => {
        expectTypeOf(connection.data).toEqualTypeOf<User>();
      }),
      nested: channels({
        inner(event) {
          if (event.type === "open") expectTypeOf(event.connection.data).toEqualTypeOf<User>();
        },
      }),
    }),
  });
  serve({ handler: channels({ a: (event) => expectTypeOf(event).toEqualTypeOf<ServerEvent>() }) });
}

function routes(): void {
  serve({
    routes: {
      "/module/:room": route({
        authorize: () => user,
        handler: perConnection({
          init(connection) {
            expectTypeOf(connection.data).toEqualTypeOf<User>();
            expectTypeOf(connection.params.room).toBeString();
            return 0;
          },
          handle: (message, count) => reply(message, count + 1),
        }),
      }),
      "/inline": {
        handler: perConnection({
          init: () => 0,
          handle(message, count) {
            expectTypeOf(count).toBeNumber();
            return reply(message, count);
          },
        }),
      },
      "/loop/:who": route({
        authorize: () => user,
        handler: perConnection(async ({ data, params }) => {
          expectTypeOf(data).toEqualTypeOf<User>();
          expectTypeOf(params.who).toBeString();
        }),
      }),
      "/logic": route({ handler: fromLogic(createMachine({})) }),
      "/channels/:room": route({
        authorize: () => user,
        handler: channels({
          a(event) {
            if (event.type !== "open") return;
            expectTypeOf(event.connection.data).toEqualTypeOf<User>();
            expectTypeOf(event.connection.params.room).toBeString();
          },
        }),
      }),
    },
  });
  serve({
    routes: {
      "/resumed/:room": route({
        authorize: () => user,
        resume: {
          verify(request, connection) {
            expectTypeOf(request.params.room).toBeString();
            expectTypeOf(connection.data).toEqualTypeOf<User>();
            return request.cookies.name === connection.data.name;
          },
        },
        handler() {},
      }),
    },
  });
  const alone = route({
    authorize: () => user,
    handler: perConnection({ init: () => 0, handle: (_message, state, { data }) => reply(data.name, state) }),
  });
  serve({ routes: { "/a": alone } });
  createTestRuntime({
    authorize: () => user,
    handler: perConnection({ init: ({ data }) => data.name, handle: (_message, name) => reply(name, name) }),
  });
}

function misuses(): void {
  // @ts-expect-error undefined is no reply
  perConnection({ init: () => 0, handle() {} });
  // @ts-expect-error the next state has another type
  perConnection({ init: () => 0, handle: () => noreply("one") });
  // @ts-expect-error nor may a promise bring one
  perConnection({ init: () => 0, handle: async () => [noreply(0), noreply("one")] });
  // @ts-expect-error a message is a string or bytes
  perConnection({ init: () => 0, handle: (_message, state: number) => reply({ a: 1 }, state) });
  // @ts-expect-error there is no such reply
  perConnection({ init: () => 0, handle: (_message, state: number) => ({ type: "replay", state }) });
  // @ts-expect-error it must have a state
  perConnection({ handle: (_message: unknown, state: unknown) => noreply(state) });
  // @ts-expect-error back returns a reply, too
  perConnection({ init: () => 0, handle: (_message, state: number) => noreply(state), back() {} });
  // @ts-expect-error there is no such callback
  perConnection({ init: () => 0, handle: (_message, state: number) => noreply(state), close() {} });
  serve({
    authorize: () => user,
    // @ts-expect-error the connections carry no nick
    handler: perConnection(async ({ data }) => data.nick),
  });
  serve({
    // @ts-expect-error the loop wants other data
    authorize: () => user,
    handler: perConnection(async ({ data }: Connection<{ nick: string }>) => data.nick),
  });
  serve({
    authorize: () => user,
    // @ts-expect-error the machine's events are of connections with other data
    handler: fromLogic(setup({ types: { events: {} as ServerEvent<{ nick: string }> } }).createMachine({})),
  });
  // @ts-expect-error its input would be something else
  fromLogic(setup({ types: { input: {} as { db: string } } }).createMachine({}));
  // @ts-expect-error away says nothing of messages
  fromLogic(setup({ types: { events: {} as { type: "away"; lost: number } } }).createMachine({}));
  // @ts-expect-error our messages have no topic
  fromLogic(setup({ types: { events: {} as { type: "message"; topic: string } } }).createMachine({}));
  // @ts-expect-error that is no logic
  fromLogic({ init: () => 0, handle() {} });
  // @ts-expect-error a channel has a handler
  channels({ a: 1 });
  // @ts-expect-error a state has somebody who changes it
  channels({ a: { init: () => 0 } });
  // @ts-expect-error the makers have no signature that anybody could mean
  perConnection<User>({ never: true });
  // @ts-expect-error pings are not told to loops
  perConnection(async (connection) => connection.onping());
  expectTypeOf<Reply<number>>().not.toEqualTypeOf<Reply<string>>();
  expectTypeOf<Params>().toExtend<Readonly<Record<string, string>>>();
}

test("the compiler has checked this file", () => {
  expect(
    [modules, loops, logics, annotated, manyChannels, routes, misuses].every((one) => typeof one === "function"),
  ).toBe(true);
});

test("a stateful object within channels has the state that its init makes, and returns no other", () => {
  channels({ counter: { init: () => 0, handle: (_event, count) => count + 1 } });
  // @ts-expect-error another state than that of init
  channels({ counter: { init: () => 0, handle: () => "one" } });
});
