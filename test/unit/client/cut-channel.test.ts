/**
 * The client against a model of a server that keeps sessions, over sockets that are cut anywhere: nothing lost, nothing twice, in order, both
 * ways, or told. The model numbers, keeps, lets go and welcomes as the wire of `sendall.1` says.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ClientStage, type HandSocket, keptWelcome, settle } from "./stage.js";

/** How many messages the server keeps for the client. */
const MAX_KEPT = 4;

class Session {
  readonly token: string;
  /** The client's messages that the server has taken in. */
  readonly received: string[] = [];
  /** The server's messages, the first of which has the number 1. */
  readonly sent: string[] = [];
  /** The server's messages that the client has handed to its callbacks. */
  readonly got: string[] = [];
  /** The number of the last of the server's messages that is not kept any more. */
  letGo = 0;
  counted = 0;
  total = 0;
  /** The number of the last of the server's messages that the client has acknowledged. */
  acknowledged = 0;
  dial = 0;
  /** What the client knows: the number of its last message that is acknowledged, and how many of the server's messages are lost. */
  known = 0;
  lost = 0;

  constructor(token: string) {
    this.token = token;
  }
}

/** A socket, with what is on its way from the server, and what the server has taken of what the client has sent. */
class Line {
  readonly socket: HandSocket;
  readonly down: string[] = [];
  taken = 0;
  /** The session that the server has welcomed on this socket, and whether the server listens to this socket. */
  session: Session | undefined;
  isHeard = false;

  constructor(socket: HandSocket) {
    this.socket = socket;
  }

  get messages(): string[] {
    return this.socket.sent.map(String).filter((frame) => !/^~/.test(frame));
  }
}

class ModelServer {
  readonly sessions: Session[] = [];
  readonly ended = new Set<string>();
  readonly lines: Line[] = [];
  present: Session | undefined;

  /** Answers a dial: goes on with the session that is offered, or begins another. */
  accept(line: Line): void {
    const { socket } = line;
    expect(new Set(socket.protocols).size).toBe(socket.protocols.length);
    const offer = socket.protocols.find((name) => name.startsWith("sendall.1."));
    const [, , token = "", ...numbers] = offer?.split(".") ?? [];
    const [count = 0, lost = 0, dial = 0] = numbers.map(Number);
    socket.protocol = "sendall.1";
    socket.accept();
    if (this.ended.has(token)) line.down.push("close 1013");
    else if (this.present?.token !== token) this.#begin(line, token ? "expired" : "new");
    else this.#resume(line, this.present, { count, lost, dial });
  }

  /** Takes the next frame that the client has sent. */
  take(line: Line): void {
    const { session } = line;
    if (line.taken === line.socket.sent.length) return;
    const frame = String(line.socket.sent[line.taken++]);
    if (session === undefined || !line.isHeard) return;
    if (line.taken === 1) expect(frame).toMatch(/^~a\d+$/);
    if (!/^~/.test(frame)) session.received.push(frame);
    if (!/^~a/.test(frame)) return;
    const number = Number(frame.slice(2));
    expect(number).toBeGreaterThanOrEqual(session.acknowledged);
    expect(number).toBeLessThanOrEqual(session.sent.length);
    session.acknowledged = number;
  }

  send(text: string): void {
    const { present } = this;
    if (present === undefined) return;
    present.sent.push(text);
    present.letGo = Math.max(present.letGo, present.sent.length - MAX_KEPT);
    this.#tell(text);
  }

  acknowledge(): void {
    if (this.present !== undefined) this.#tell(`~a${this.present.received.length}`);
  }

  /** Ends the present session by a close frame, also for a client that comes back later; or forgets the session. */
  end(isTold: boolean): void {
    const { present } = this;
    if (present === undefined) return;
    if (isTold) {
      this.ended.add(present.token);
      this.#tell("close 1013");
    }
    for (const line of this.lines) line.isHeard = false;
    this.present = undefined;
  }

  #tell(frame: string): void {
    for (const line of this.lines) if (line.isHeard) line.down.push(frame);
  }

  #begin(line: Line, why: string): void {
    this.#listen(line, new Session(`token-${this.sessions.length + 1}`));
    if (line.session) this.sessions.push(line.session);
    line.down.push(keptWelcome({ session: this.present?.token ?? "", why }));
  }

  #resume(
    line: Line,
    session: Session,
    offer: { readonly count: number; readonly lost: number; readonly dial: number },
  ): void {
    const { count } = offer;
    expect(offer.dial).toBeGreaterThan(session.dial);
    expect(count).toBeGreaterThanOrEqual(session.acknowledged);
    expect(count).toBeLessThanOrEqual(session.sent.length);
    session.dial = offer.dial;
    session.acknowledged = count;
    session.total += Math.max(0, session.letGo - Math.max(count, session.counted));
    session.counted = session.letGo;
    const lost = session.total - offer.lost;
    const from = Math.max(session.letGo, count);
    this.#listen(line, session);
    const numbers = { received: session.received.length, from, replayed: session.sent.length - from, lost };
    line.down.push(
      keptWelcome({ session: session.token, resumed: true, why: lost ? "gap" : "resumed", ...numbers }),
      ...session.sent.slice(from),
    );
  }

  #listen(line: Line, session: Session): void {
    for (const other of this.lines) other.isHeard = false;
    line.isHeard = true;
    line.session = session;
    this.present = session;
  }
}

type Action =
  | "send"
  | "reply"
  | "take"
  | "arrive"
  | "cut"
  | "vanish"
  | "acknowledge"
  | "accept"
  | "pass"
  | "end"
  | "expire";

interface Step {
  readonly do: Action;
  readonly part: number;
}

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<Action>("take", "arrive") },
  { weight: 6, arbitrary: fc.constantFrom<Action>("send", "reply", "accept", "pass") },
  { weight: 2, arbitrary: fc.constantFrom<Action>("acknowledge", "cut") },
  { weight: 1, arbitrary: fc.constantFrom<Action>("vanish", "end", "expire") },
);
const steps = fc.array(fc.record({ do: action, part: fc.nat(7) }), { minLength: 20, maxLength: 150 });

/** A client, a server and the lines between the two. */
class Play {
  readonly stage = new ClientStage();
  readonly server = new ModelServer();
  readonly sent: string[] = [];
  /** What the client was told is uncertain, and what the model says. */
  readonly uncertain: string[] = [];
  readonly expected: string[] = [];
  outcomes = 0;
  #session: Session | undefined;
  #count = 0;
  readonly client = this.stage.connect({
    reconnect: { maxMs: 1_000, jitter: 0 },
    onOpen: (opening) => {
      this.outcomes++;
      const { uncertain, resumed, lost, why } = opening;
      expect(why === "gap").toBe(lost > 0);
      this.uncertain.push(...uncertain.map(String));
      if (!resumed) this.#expectUncertain();
      this.#session = this.line?.session;
      if (this.#session) this.#session.lost += lost;
      if (this.#count % 3 === 0) this.send("greeting");
    },
    onMessage: (data) => this.#session?.got.push(String(data)),
    onError: () => {},
  });

  /** The line of the client's last socket. */
  get line(): Line | undefined {
    const { socket } = this.stage;
    const { lines } = this.server;
    if (lines.at(-1)?.socket !== socket) lines.push(new Line(socket));
    return lines.at(-1);
  }

  send(kind = "up"): void {
    const text = `${kind} ${String(++this.#count).padStart(4, "0")}`;
    if (this.client.send(text)) this.sent.push(text);
  }

  /** The next frame of the server arrives. */
  arrive(line = this.line): void {
    const frame = line?.socket.readyState === 1 && line === this.line ? line.down.shift() : undefined;
    if (line === undefined || frame === undefined) return;
    const [, acknowledged] = /^~a(\d+)$/.exec(frame) ?? [];
    const { resumed, received } = frame[1] === "{" ? JSON.parse(frame.slice(1)) : { resumed: false, received: 0 };
    if (line.session && acknowledged) line.session.known = Number(acknowledged);
    if (line.session && resumed) line.session.known = received;
    if (frame === "close 1013") line.socket.end(1013);
    else line.socket.message(frame);
  }

  async take(step: Step): Promise<void> {
    const { line, server } = this;
    const older = server.lines.at(-1 - (step.part % 2)) ?? line;
    if (step.do === "send") this.send();
    else if (step.do === "reply") for (let i = 0; i <= step.part; i++) server.send(`down ${++this.#count}`);
    else if (step.do === "take" && older) server.take(older);
    else if (step.do === "arrive") this.arrive();
    else if (step.do === "acknowledge") server.acknowledge();
    else if (step.do === "accept" && line?.socket.readyState === 0) server.accept(line);
    else if (step.do === "pass") await this.stage.pass(1_000 * (1 + step.part));
    else if (step.do === "end") server.end(true);
    else if (step.do === "expire") server.end(false);
    else if (step.do === "cut" || step.do === "vanish") await this.#cut(step);
  }

  /** Some of what is on its way gets through. The server does not learn of a connection that vanishes. */
  async #cut({ do: how, part }: Step): Promise<void> {
    const { line, server } = this;
    if (line?.socket.readyState !== 1) return;
    for (let i = 0; i < part; i++) this.arrive(line);
    for (let i = 0; how === "cut" && i < part; i++) server.take(line);
    if (how === "cut") line.isHeard = false;
    if (line.socket.readyState === 1) line.socket.fail();
    await settle();
  }

  /** Faults are over: everything arrives. */
  async calm(): Promise<void> {
    for (let i = 0; i < 400; i++) {
      await this.take({ do: "accept", part: 0 });
      this.arrive();
      if (this.line) this.server.take(this.line);
      this.server.acknowledge();
      if (i % 20 === 0) await this.stage.pass(1_000);
      // A session that has ended unheard: the socket is lost in the end.
      if (i % 100 === 99 && this.line && !this.line.isHeard && this.line.socket.readyState === 1)
        this.line.socket.fail();
    }
  }

  #expectUncertain(): void {
    const session = this.#session;
    const written = new Set(
      this.server.lines.filter((line) => line.session === session).flatMap((line) => line.messages),
    );
    if (session) this.expected.push(...[...written].slice(session.known));
  }
}

test("over sockets that are cut anywhere both ends get each message once and in order, or are told exactly which are uncertain and how many lost", async () => {
  const run = async (taken: readonly Step[]): Promise<void> => {
    const play = new Play();
    for (const step of taken) await play.take(step);
    await play.calm();
    const { client, server, sent, uncertain } = play;
    expect([client.state, client.pending]).toEqual(["open", 0]);
    const received = server.sessions.flatMap((session) => session.received);
    expect(new Set(received).size).toBe(received.length);
    expect(uncertain).toEqual(play.expected);
    const known = new Set([...received, ...uncertain]);
    expect(sent.filter((text) => !known.has(text))).toEqual([]);
    for (const session of server.sessions) {
      const { got } = session;
      // What is sent in `onOpen` goes out before what waits.
      for (const kind of ["up", "greeting"]) {
        const ofKind = session.received.filter((text) => text.startsWith(kind));
        expect(ofKind).toEqual([...ofKind].sort());
      }
      expect(got).toEqual(session.sent.filter((text) => got.includes(text)));
      if (session.lost === 0) expect(got).toEqual(session.sent.slice(0, got.length));
      if (session === server.present) expect(session.sent.length - got.length).toBe(session.lost);
    }
    client.close();
    await settle();
    expect([client.state, play.stage.waits]).toEqual(["closed", []]);
  };
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 300 });
}, 60_000);
