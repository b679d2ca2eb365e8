/**
 * Both ends of the sessions of one client, as a handler and the client's callbacks are told: who has sent, got and lost what. The rules of
 * sessions are checked against the ledger, whatever the transport. A scenario makes a ledger for each of its clients.
 */
import type { ConnectionId, HandlerFunction, Receipt, Stats } from "sendall";
import type { Client, ClientClosing, ClientOpening, ConnectOptions } from "sendall/client";
import { expect } from "vitest";

export type SlowConsumer = "close" | "dropOldest" | "dropNewest";

/** A connection as its server saw it. */
interface ServerSide {
  readonly id: ConnectionId;
  /** Everything that was sent to the connection while it was open, with what the receipt said. */
  readonly sent: { readonly text: string; readonly isQueued: boolean }[];
  readonly handled: string[];
  readonly events: string[];
  /** What each `back` said. */
  readonly backs: { readonly replayed: number; readonly lost: number }[];
}

/** A session as the client saw it. */
interface ClientSide {
  readonly openings: ClientOpening[];
  readonly received: string[];
}

type SendTo = (text: string, id: ConnectionId) => Receipt;

/** What the server sends begins with the id of the connection that is meant. */
const DOWN = /^d\d+ (\S+) /;
/** What the client sends asks for a number of replies. */
const UP = /^u\d+ (\d+) /;

export class Ledger {
  /** In the order of `open`. */
  readonly connections = new Map<ConnectionId, ServerSide>();
  readonly sessions: ClientSide[] = [];
  readonly closings: ClientClosing[] = [];
  /** What the client's `send` has taken. */
  readonly sent: string[] = [];
  /** What the server has handled, over all connections. */
  readonly handled: string[] = [];
  /** What the client was told to be uncertain of, or to be unsent. */
  readonly told: string[] = [];
  readonly policy: SlowConsumer;
  #count = 0;

  constructor(policy: SlowConsumer) {
    this.policy = policy;
  }

  readonly handler: HandlerFunction = (event, bus) => {
    if (event.connection === undefined) return;
    const side = this.#sideOf(event.connection.id);
    side.events.push(event.type);
    const send: SendTo = (text, id) => bus.unicast(text, id);
    if (event.type === "open") this.#push(send, side, 10);
    if (event.type === "back") side.backs.push({ replayed: event.replayed, lost: event.lost });
    if (event.type !== "message") return;
    side.handled.push(event.text);
    this.handled.push(event.text);
    const replies = Number(UP.exec(event.text)?.[1]);
    for (let i = 0; i < replies; i++) this.#push(send, side, event.text.length);
  };

  /** The client has got the last message that was queued for its present session: nothing else is on its way. */
  get hasLast(): boolean {
    const session = this.sessions.at(-1);
    const last = session && this.#sideFor(session)?.sent.findLast(({ isQueued }) => isQueued);
    return last !== undefined && session?.received.at(-1) === last.text;
  }

  /** Every connection has ended. */
  get isOver(): boolean {
    return [...this.connections.values()].every(({ events }) => events.at(-1) === "closed");
  }

  /** How often the client has opened. */
  get openings(): number {
    return this.sessions.reduce((sum, { openings }) => sum + openings.length, 0);
  }

  /** The callbacks of the client. */
  readonly options: Pick<ConnectOptions, "onOpen" | "onMessage" | "onClose"> = {
    onOpen: (opening) => {
      this.told.push(...opening.uncertain.map(String));
      const session = opening.resumed ? this.sessions.at(-1) : undefined;
      if (session === undefined) this.sessions.push({ openings: [opening], received: [] });
      else session.openings.push(opening);
    },
    onMessage: (data) => void this.sessions.at(-1)?.received.push(String(data)),
    onClose: (closing) => {
      this.closings.push(closing);
      this.told.push(...[...closing.uncertain, ...closing.unsent].map(String));
    },
  };

  /** The client sends a message that asks for a number of replies. */
  up(client: Pick<Client, "send">, replies: number, bytes: number): void {
    const text = `u${++this.#count} ${replies} ${"x".repeat(bytes)}`;
    if (client.send(text)) this.sent.push(text);
  }

  /** The server sends a message to the newest connection, if that is open. */
  down(send: SendTo, isOpen: (id: ConnectionId) => boolean, bytes: number): void {
    const side = [...this.connections.values()].at(-1);
    if (side !== undefined && isOpen(side.id)) this.#push(send, side, bytes);
  }

  /** What holds at any time, and of sessions of any kind. */
  check(stats: Stats): void {
    expect(stats.opened).toBe(stats.closed + stats.connections);
    expect(stats.opened).toBe(this.connections.size);
    for (const side of this.connections.values()) this.#checkEvents(side);
    this.#checkUp();
    for (const session of this.sessions) this.#checkDown(session);
    const openings = this.sessions.flatMap(({ openings }) => openings);
    expect(stats.resumed).toBeGreaterThanOrEqual(openings.filter(({ resumed }) => resumed).length);
    expect(stats.gaps).toBeGreaterThanOrEqual(openings.filter(({ lost }) => lost > 0).length);
    for (const { why, lost } of openings) expect({ why, isGap: lost > 0 }).toEqual({ why, isGap: why === "gap" });
  }

  /**
   * What holds when the client is open, nothing is on its way, and the client has acknowledgements for everything.
   * @param isExact whether the client has come back since the last drop, so that it was told of everything
   */
  checkCalm(stats: Stats, isExact: boolean): void {
    this.check(stats);
    const session = this.sessions.at(-1);
    const side = session && this.#sideFor(session);
    // A session that has brought nothing names no connection: a late attempt may have left another open for a while.
    if (session === undefined || side === undefined) return;
    const lost = lostOf(session);
    const missing = side.sent.length - session.received.length;
    if (isExact || this.policy === "close") expect({ lost }).toEqual({ lost: missing });
    if (isExact && this.connections.size === 1) expect(stats.dropped).toBe(missing);
    this.#checkNothingSilent(stats);
    if (this.policy !== "close" || this.#hasOutcome) return;
    // Nothing but "resumed" was told: both ends got exactly the sequence.
    expect(session.received).toEqual(side.sent.map(({ text }) => text));
    expect(this.handled).toEqual(this.sent);
  }

  /** What holds when the client has ended and the server has given every session up. */
  checkEnd(stats: Stats): void {
    this.check(stats);
    expect([stats.connections, stats.away]).toEqual([0, 0]);
    for (const { events } of this.connections.values()) expect(events.at(-1)).toBe("closed");
    expect(this.closings.at(-1)?.willRetry).toBe(false);
    this.#checkNothingSilent(stats);
  }

  /** Whether the client was told an outcome other than "resumed". */
  get #hasOutcome(): boolean {
    const [, ...later] = this.sessions.flatMap(({ openings }) => openings);
    return later.some(({ why }) => why !== "resumed");
  }

  /** Everything that the client has sent was handled, or the client was told; the server counts what it had taken in and threw away. */
  #checkNothingSilent({ discarded }: Stats): void {
    const known = new Set([...this.handled, ...this.told]);
    const silent = this.sent.filter((text) => !known.has(text));
    if (silent.length > discarded) throw new Error(`lost, and told to nobody: ${silent.slice(0, 3).join(", ")}`);
  }

  #sideOf(id: ConnectionId): ServerSide {
    const side = this.connections.get(id) ?? { id, sent: [], handled: [], events: [], backs: [] };
    this.connections.set(id, side);
    return side;
  }

  /** The connection of a session, as the messages name it. */
  #sideFor({ received: [first = ""] }: ClientSide): ServerSide | undefined {
    return this.connections.get(DOWN.exec(first)?.[1] as ConnectionId);
  }

  #push(send: SendTo, side: ServerSide, bytes: number): void {
    const text = `d${++this.#count} ${side.id} ${"y".repeat(bytes)}`;
    const { queued, dead } = send(text, side.id);
    if (dead === 0) side.sent.push({ text, isQueued: queued === 1 });
  }

  /** `open` first, `closed` last and once, `away` and `back` in turn, and no error for a socket that was lost. */
  #checkEvents({ events }: ServerSide): void {
    expect(events.indexOf("open")).toBe(0);
    expect(events.lastIndexOf("open")).toBe(0);
    if (events.includes("closed")) expect(events.indexOf("closed")).toBe(events.length - 1);
    const turns = events.filter((type) => type === "away" || type === "back");
    expect(turns).toEqual(turns.map((_, i) => (i % 2 === 0 ? "away" : "back")));
    if (events.includes("error")) expect(events.slice(events.indexOf("error"))).toEqual(["error", "closed"]);
  }

  /** Each message of the client is handled once, in order within a connection; what was told of is no message of another. */
  #checkUp(): void {
    expect(new Set(this.handled).size).toBe(this.handled.length);
    expect(new Set(this.told).size).toBe(this.told.length);
    const known = new Set(this.sent);
    for (const text of [...this.handled, ...this.told]) expect(known).toContain(text);
    for (const { handled } of this.connections.values()) expectInOrder(handled, this.sent);
  }

  /** Each message of the server comes once, in order, and no more are told to be lost than are missing. */
  #checkDown(session: ClientSide): void {
    const { received } = session;
    expect(new Set(received.map((text) => DOWN.exec(text)?.[1])).size).toBeLessThanOrEqual(1);
    const side = this.#sideFor(session);
    if (side === undefined) return;
    const sent = side.sent.map(({ text }) => text);
    expectInOrder(received, sent);
    const lost = lostOf(session);
    expect(lost).toBeLessThanOrEqual(sent.length - received.length);
    for (const { text, isQueued } of side.sent) if (!isQueued) expect(received).not.toContain(text);
    // Without a gap nothing is left out, up to the last message that came.
    if (this.policy === "close" && lost === 0) expect(received).toEqual(sent.slice(0, received.length));
  }
}

function lostOf({ openings }: ClientSide): number {
  return openings.reduce((sum, { lost }) => sum + lost, 0);
}

/** Expects messages to be among others, in the same order. */
function expectInOrder(messages: readonly string[], all: readonly string[]): void {
  const expected = all.filter((text) => messages.includes(text));
  expect(messages).toEqual(expected);
}
