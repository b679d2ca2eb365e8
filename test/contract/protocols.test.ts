/** What protocols promise (contract 17 and 18), over memory in every order that `explore` finds, and over sockets. */
import { once } from "node:events";
import fc from "fast-check";
import { type ServeOptions, type Server, serve } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { explore } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { until } from "../e2e/peers.js";

const rooms = protocol({
  fromClient: {
    tell: { input: z.object({ key: z.string(), end: z.enum(["answer", "refuse", "throw"]) }), output: z.string() },
    note: z.object({ key: z.string() }),
  },
  fromServer: { told: z.string() },
});

interface End {
  readonly received: readonly (string | Buffer)[];
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  send(data: string | Buffer): void;
}

interface Room {
  readonly server: Pick<Server, "stats">;
  connect(): Promise<End>;
  /** Until it holds; on the stage of `explore`, until nothing is on its way. */
  until(holds: () => boolean): Promise<void>;
}

type Play = (options: ServeOptions, play: (room: Room) => Promise<void>, seed: number) => Promise<void>;

const playInMemory: Play = (options, play, seed) =>
  explore(
    ({ runtime }) => {
      const stage = runtime({ ...options, failures: "supervise" } as never);
      return play({ server: stage.server, connect: () => stage.connect(), until: () => stage.settle() });
    },
    { runs: 4, seed, maxSteps: 100_000 },
  );

class SocketEnd implements End {
  readonly received: string[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.received.push(String(data));
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) };
    });
  }

  send(data: string | Buffer): void {
    this.#socket.send(data);
  }
}

const playOverSockets: Play = async (options, play) => {
  const server = await serve({ port: 0, logger: false, ...options } as ServeOptions);
  const sockets: WebSocket[] = [];
  try {
    await play({
      server,
      async connect() {
        const socket = new WebSocket(server.url);
        sockets.push(socket);
        const end = new SocketEnd(socket);
        await once(socket, "open");
        return end;
      },
      // In rounds: what a function has done need not bring a peer anything.
      until,
    });
  } finally {
    for (const socket of sockets) socket.terminate();
    await server.close();
  }
};

function framesOf({ received }: End): unknown[][] {
  return received.map((data) => JSON.parse(String(data)));
}

const seats = fc.nat({ max: 2 });

describe.each([
  ["memory, explored", playInMemory],
  ["sockets", playOverSockets],
])("a protocol over %s", (_name, playOn) => {
  test("17: each call is answered once, in its place, after all that its function has sent", async () => {
    const step = fc.record({
      seat: seats,
      end: fc.constantFrom("answer", "refuse", "throw"),
      waits: fc.nat({ max: 2 }),
      sends: fc.nat({ max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), async (steps, seed) => {
        const handler = rooms.handler({
          async tell({ key, end }, { bus }) {
            const { waits, sends } = steps[Number(key)] as (typeof steps)[number];
            for (let i = 0; i < waits; i++) await Promise.resolve();
            for (let i = 0; i < sends; i++) bus.sendall(rooms.fromServer.told(key));
            if (end === "refuse") throw refuse("NO", key);
            if (end === "throw") throw new Error("a secret");
            return key;
          },
          note() {},
        });
        const options = { supervise: { intensity: 1_000 }, handler };
        await playOn(
          options,
          async (room) => {
            const ends = [await room.connect(), await room.connect(), await room.connect()];
            for (const [i, { seat, end }] of steps.entries())
              ends[seat]?.send(JSON.stringify(["tell", { key: String(i), end }, i]));
            const told = steps.reduce((sum, { sends }) => sum + sends, 0);
            const callsOf = (seat: number) => steps.flatMap((step, i) => (step.seat === seat ? [i] : []));
            await room.until(() => ends.every(({ received }, seat) => received.length === told + callsOf(seat).length));
            for (const [seat, end] of ends.entries()) {
              const frames = framesOf(end);
              const answers = frames.filter(([head]) => typeof head === "number");
              expect(answers).toEqual(
                callsOf(seat).map((i) => {
                  if (steps[i]?.end === "answer") return [i, String(i)];
                  const reason =
                    steps[i]?.end === "throw" ? { reason: "CALL_FAILED" } : { reason: "NO", message: String(i) };
                  return [i, null, reason];
                }),
              );
              for (const i of callsOf(seat)) {
                const before = frames.slice(
                  0,
                  frames.findIndex(([head]) => head === i),
                );
                expect(before.filter(([head, key]) => head === "told" && key === String(i)).length).toBe(
                  steps[i]?.sends,
                );
              }
            }
          },
          seed,
        );
      }),
      { numRuns: 25 },
    );
  });

  test("18: what the protocol refuses reaches no function; too much of it closes its sender with 1008, and nobody else notices", async () => {
    const invalid = fc.constantFrom(
      '["note",{"key":7}]',
      '["note"]',
      '["tell",{"key":"a","end":"answer"}]',
      '["unheard of",{}]',
      "[]",
      "no JSON",
      '["note",{"key":"a"},1]',
      Buffer.from('["note",{"key":"a"}]'),
    );
    const step = fc.tuple(seats, fc.option(invalid, { nil: undefined }));
    const script = fc.array(step, { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(script, fc.nat({ max: 4 }), fc.nat(), async (steps, intensity, seed) => {
        let notes: string[] = [];
        const handler = rooms.handler({
          init() {
            notes = [];
            return 0;
          },
          tell: () => "never",
          note({ key }, { state, setState }) {
            // A state that something else has changed is seen here.
            if (state === notes.length) notes.push(key);
            setState(state + 1);
          },
        });
        await playOn(
          { supervise: { intensity, periodMs: 600_000 }, handler },
          async (room) => {
            const ends = [await room.connect(), await room.connect(), await room.connect()];
            const refusals = [0, 0, 0];
            const expected: string[] = [];
            for (const [i, [seat, data]] of steps.entries()) {
              ends[seat]?.send(data ?? JSON.stringify(["note", { key: `${seat} ${i}` }]));
              if ((refusals[seat] ?? 0) > intensity) continue;
              if (data === undefined) expected.push(`${seat} ${i}`);
              else refusals[seat] = (refusals[seat] ?? 0) + 1;
            }
            const isOver = (seat: number): boolean => (refusals[seat] ?? 0) > intensity;
            await room.until(() =>
              ends.every(({ closed, received }, seat) => (isOver(seat) ? closed : received.length === refusals[seat])),
            );
            await room.until(() => notes.length === expected.length);
            for (const seat of [0, 1, 2]) {
              const of = (keys: readonly string[]) => keys.filter((key) => key.startsWith(String(seat)));
              expect(of(notes)).toEqual(of(expected));
              expect(ends[seat]?.closed).toEqual(isOver(seat) ? { code: 1008, reason: "invalid messages" } : undefined);
            }
            for (const end of ends)
              for (const [, refusal, inCall] of framesOf(end))
                expect(inCall ?? refusal).toMatchObject({ reason: "INVALID_MESSAGE" });
            expect(room.server.stats().invalid).toBe(refusals.reduce((sum, count) => sum + count, 0));
          },
          seed,
        );
      }),
      { numRuns: 25 },
    );
  });
});
