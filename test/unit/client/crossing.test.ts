/**
 * Both ends of a channel agree whether it is open, whatever crosses on the way: the client's side against our server, and against
 * one that answers nothing, as others do; each frame is delivered when the test says.
 */
import fc from "fast-check";
import { type Connection, channels, type ServerEvent } from "sendall";
import { expect, test } from "vitest";
import type { Channel } from "../../../src/client.js";
import { HandStage, type HandTransport } from "../stage.js";
import { ClientStage, type HandSocket, settle } from "./stage.js";

const NAMES = ["a", "b"] as const;
type Name = (typeof NAMES)[number];

/** A server at the far end of the wire. */
interface Server {
  /** What it has sent. */
  readonly sent: string[];
  read(frame: string): Promise<void>;
  /** Ends a subscription, if there is one. */
  end(name: Name): Promise<void>;
  /** Says something to whoever is subscribed. */
  say(name: Name): Promise<void>;
  isSubscribed(name: Name): boolean;
}

/** Ours. */
class OwnServer implements Server {
  readonly sent: string[] = [];
  /** How each subscription came to its end, in order of their beginnings. */
  readonly ends: Record<Name, (string | undefined)[]> = { a: [], b: [] };
  readonly #live = new Map<Name, Connection>();
  readonly #stage: HandStage;
  readonly #wire: HandTransport;

  private constructor(stage: HandStage, wire: HandTransport) {
    this.#stage = stage;
    this.#wire = wire;
  }

  static async open(): Promise<OwnServer> {
    const note = (name: Name) => (event: ServerEvent) => server.#note(name, event);
    const stage = await HandStage.open({ handler: channels({ a: note("a"), b: note("b") }) });
    const wire = await stage.connect();
    const server = new OwnServer(stage, wire);
    wire.onWrite = (frames) => void server.sent.push(...frames.map(({ data }) => String(data)));
    return server;
  }

  async read(frame: string): Promise<void> {
    this.#wire.listener.message(frame, frame.length);
    await this.#stage.settle();
  }

  async end(name: Name): Promise<void> {
    this.#live.get(name)?.close();
    await this.#stage.settle();
  }

  async say(name: Name): Promise<void> {
    this.#live.get(name)?.send("hi");
    await this.#stage.settle();
  }

  isSubscribed(name: Name): boolean {
    return this.#live.get(name)?.isOpen === true;
  }

  #note(name: Name, event: ServerEvent): void {
    if (event.type === "open") {
      expect(this.isSubscribed(name)).toBe(false);
      this.#live.set(name, event.connection);
      this.ends[name].push(undefined);
    }
    if (event.type === "closed") this.ends[name].splice(-1, 1, event.by);
  }
}

/** As websocket-multiplex has it: what does not fit is passed over. */
class ForeignServer implements Server {
  readonly sent: string[] = [];
  readonly #live = new Set<string>();

  async read(frame: string): Promise<void> {
    const [verb, name = ""] = frame.split(",");
    if (verb === "sub" && NAMES.some((one) => one === name)) this.#live.add(name);
    if (verb === "uns") this.#live.delete(name);
  }

  async end(name: Name): Promise<void> {
    if (this.#live.delete(name)) this.sent.push(`uns,${name}`);
  }

  async say(name: Name): Promise<void> {
    if (this.#live.has(name)) this.sent.push(`msg,${name},hi`);
  }

  isSubscribed(name: Name): boolean {
    return this.#live.has(name);
  }
}

interface Opened {
  readonly channel: Channel;
  isLeft: boolean;
  isEnded: boolean;
  heard: number;
}

/** A client and a server, with frames on their way in both directions. */
class Both {
  readonly server: Server;
  readonly client = new ClientStage();
  /** All channels that the client has opened, in order. */
  readonly opened: Record<Name, Opened[]> = { a: [], b: [] };
  readonly #connection = this.client.connect();
  #read = 0;
  #shown = 0;

  constructor(server: Server, accept: (socket: HandSocket) => void) {
    this.server = server;
    accept(this.client.socket);
  }

  get socket() {
    return this.client.socket;
  }

  async take(step: Step): Promise<void> {
    const { name } = step;
    const last = this.opened[name].at(-1);
    const isLive = last?.channel.state === "open";
    if (step.do === "close" || step.do === "again") this.#leave(last);
    if (step.do === "again" || (step.do === "open" && !isLive)) this.#open(name);
    else if (step.do === "send") last?.channel.send("x");
    else if (step.do === "end") await this.server.end(name);
    else if (step.do === "say") await this.server.say(name);
    else if (step.do === "up") await this.up();
    else if (step.do === "down") this.down();
    await settle();
  }

  async up(): Promise<boolean> {
    const frame = this.socket.sent[this.#read];
    if (frame === undefined) return false;
    this.#read++;
    await this.server.read(String(frame));
    return true;
  }

  down(): boolean {
    const frame = this.server.sent[this.#shown];
    if (frame === undefined) return false;
    this.#shown++;
    this.socket.message(frame);
    return true;
  }

  async drain(): Promise<void> {
    while ((await this.up()) || this.down());
    await settle();
  }

  /** At rest both sides agree, and hear each other if the channel is open. */
  async expectAgreement(): Promise<void> {
    for (const name of NAMES) {
      const last = this.opened[name].at(-1);
      const isOpen = last?.channel.state === "open";
      expect(this.server.isSubscribed(name)).toBe(isOpen);
      const before = last?.heard;
      await this.server.say(name);
      await this.drain();
      if (isOpen) expect(last?.heard).toBe((before ?? 0) + 1);
    }
  }

  #leave(last: Opened | undefined): void {
    if (last?.channel.close()) last.isLeft = true;
  }

  #open(name: Name): void {
    const opened: Omit<Opened, "channel"> = { isLeft: false, isEnded: false, heard: 0 };
    const channel = this.#connection.channel(name, {
      onMessage: () => opened.heard++,
      onClose: () => {
        opened.isEnded = true;
      },
    });
    this.opened[name].push(Object.assign(opened, { channel }));
  }
}

interface Step {
  readonly do: "open" | "close" | "again" | "send" | "end" | "say" | "up" | "down";
  readonly name: Name;
}

/** Many ends from both sides, and few deliveries: much is on its way at once. */
const steps = () =>
  fc.array(
    fc.record<Step>({
      do: fc.constantFrom("open", "close", "again", "again", "send", "say", "end", "end", "up", "up", "down"),
      name: fc.constantFrom("a", "a", "a", "b"),
    }),
    { minLength: 5, maxLength: 40 },
  );

test("with our server both ends agree on a channel whatever crosses, and no channel ends by a frame for its predecessor", async () => {
  let crossed = 0;
  await fc.assert(
    fc.asyncProperty(steps(), async (given) => {
      const server = await OwnServer.open();
      const both = new Both(server, (socket) => socket.welcome());
      for (const step of given) await both.take(step);
      await both.drain();
      await both.expectAgreement();
      for (const name of NAMES)
        for (const [i, { isLeft, isEnded }] of both.opened[name].entries()) {
          // The n-th channel is the n-th subscription.
          const end = server.ends[name][i];
          expect(isEnded).toBe(end !== undefined);
          if (!isLeft) expect(end).not.toBe("peer");
          if (!isLeft && isEnded) expect(end).toBe("server");
          if (isLeft && end === "server" && both.opened[name].length > i + 1) crossed++;
        }
      // The answers to sync markers are nobody's messages.
      expect(both.client.log).toEqual(["open"]);
    }),
    { numRuns: 200 },
  );
  // Else it would prove nothing.
  expect(crossed).toBeGreaterThan(5);
}, 60_000);

test.each<[string, () => Server | Promise<Server>]>([
  ["a server that passes over what it does not know", () => new ForeignServer()],
  ["our server", () => OwnServer.open()],
])(
  "on a plain socket to %s both ends agree on a channel, if a channel may end by a frame for its predecessor",
  async (_what, open) => {
    await fc.assert(
      fc.asyncProperty(steps(), async (given) => {
        const both = new Both(await open(), (socket) => socket.accept());
        for (const step of given) await both.take(step);
        await both.drain();
        await both.expectAgreement();
        expect(both.client.log).toEqual(["open"]);
      }),
      { numRuns: 200 },
    );
  },
  60_000,
);

/** A client whose `ann` the server has ended, has been left and opened again, all at once; the server's `uns` is on its way. */
function crossing(accept = (socket: HandSocket): void => socket.welcome()): {
  stage: ClientStage;
  again: Channel;
  log: unknown[];
} {
  const stage = new ClientStage();
  const client = stage.connect();
  accept(stage.socket);
  client.channel("ann").close();
  const log: unknown[] = [];
  const again = client.channel("ann", {
    onClose: ({ code, reason }) => log.push([code, reason]),
    onError: ({ message }) => log.push(message),
  });
  return { stage, again, log };
}

test("an end before the answer to the sync marker is for the old channel of that name, an end after the answer for the new", () => {
  const { stage, again, log } = crossing();
  expect(stage.socket.sent).toEqual(["sub,ann", "uns,ann", "uns,", "sub,ann"]);
  stage.take();
  stage.socket.message("uns,ann");
  stage.socket.message("err,ann,there is no such channel");
  expect([again.state, again.send("x")]).toEqual(["open", true]);
  stage.socket.message("err,,not subscribed");
  expect([again.state, log, stage.waits.filter((ms) => ms === 5_000)]).toEqual(["open", [], []]);
  stage.socket.message("err,,not subscribed");
  expect(stage.take()).toEqual([["message", "err,,not subscribed"]]);
  stage.socket.message("uns,ann");
  expect([again.state, log]).toEqual(["closed", [[1000, ""]]]);
  expect(stage.socket.sent.slice(4)).toEqual(["msg,ann,x"]);
});

test("on a plain socket, whose server may answer no sync marker, the end of a channel or a refusal counts at once, and the server is told", () => {
  for (const [frame, shown] of [
    ["uns,ann", [[1000, ""]]],
    ["err,ann,no", ['the channel "ann" was refused: no', [1006, "no"]]],
  ] as const) {
    const { stage, again, log } = crossing((socket) => socket.accept());
    expect(stage.socket.sent).toEqual(["sub,ann", "uns,ann", "sub,ann"]);
    stage.take();
    stage.socket.message(frame);
    expect([again.state, log]).toEqual(["closed", shown]);
    expect(stage.socket.sent.slice(3)).toEqual(["uns,ann"]);
    stage.socket.message("err,ann,not subscribed");
    expect(stage.take()).toEqual([]);
  }
});

test("a sync marker ends with its connection: the next connection begins to count anew", async () => {
  const { stage, again, log } = crossing();
  stage.socket.message("uns,ann");
  stage.socket.end(1001);
  expect(stage.waits).toEqual([1_000]);
  await stage.pass(1_000);
  stage.socket.welcome();
  expect([again.state, stage.socket.sent]).toEqual(["open", ["sub,ann"]]);
  stage.socket.message("uns,ann");
  expect([again.state, log]).toEqual([
    "closed",
    [
      [1001, ""],
      [1000, ""],
    ],
  ]);
});

test("a channel whose name is new to the connection needs no sync marker", () => {
  const stage = new ClientStage();
  const client = stage.connect();
  stage.socket.welcome();
  client.channel("ann");
  client.channel("bob").close();
  client.channel("carl");
  expect(stage.socket.sent).toEqual(["sub,ann", "sub,bob", "uns,bob", "sub,carl"]);
});
