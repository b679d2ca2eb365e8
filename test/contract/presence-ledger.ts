/**
 * What a run with presence has to come to: keeps what each client was told, what each handler was told, and what the connections of each
 * node show, and compares all of that with what the nodes list. A scenario makes a ledger for each run.
 */
import { isDeepStrictEqual } from "node:util";
import type { Bus, Connection, HandlerFunction, Json, PresenceNotice, PresentKey, Server } from "sendall";

/** The key of members that stay. */
export const ANCHOR = "anchor";
export const ROOMS = ["r", "s"] as const;

/** The nodes of a run; `undefined` for a node that has gone. */
type Nodes = readonly (Server | undefined)[];

/** What a connection shows in a room. */
interface Shown {
  readonly info: Json;
  readonly at: number;
  /** Counts what connections have shown, over all nodes. */
  readonly order: number;
  /** The connection has shown the info by itself. */
  readonly isShown: boolean;
}

type KeyedNews = Extract<PresenceNotice, { readonly key: string }>;

/** What somebody knows of a room by news: of each key the info. */
class Replay {
  readonly #who: string;
  readonly keys = new Map<string, Json>();

  constructor(who: string, keys: Iterable<readonly [string, Json]> = []) {
    this.#who = who;
    this.keys = new Map(keys);
  }

  apply({ type, room, key, info, count }: KeyedNews): void {
    const known = this.keys.get(key);
    const fail = (why: string): never => {
      throw new Error(`${this.#who} was told ${type} of ${key} in ${room}, ${why}`);
    };
    if ((type === "joined") === (known !== undefined))
      fail(known === undefined ? "which was not there" : "which was there");
    if (type === "changed" && isDeepStrictEqual(known, info)) fail("whose info is the same");
    if (type === "left") this.keys.delete(key);
    else this.keys.set(key, info);
    if (count !== this.keys.size) fail(`with the count ${count} in place of ${this.keys.size}`);
  }
}

/** A message to a client: the list of a room, the answer to `leave`, or a notice. */
interface Told {
  readonly id: string;
  readonly room: string;
  readonly list?: readonly (readonly [key: string, info: Json])[];
  readonly gone?: string;
  readonly notice: KeyedNews;
}

/** What a client was told. */
export class Listener {
  /** The connection's id; `undefined` before the first list. */
  id: string | undefined;
  readonly #name: string;
  readonly #rooms = new Map<string, Replay>();

  constructor(name: string) {
    this.#name = name;
  }

  /** What was wrong first with what the client was told. */
  #failure: unknown;

  readonly onMessage = (data: string | Uint8Array): void => {
    try {
      this.#read(JSON.parse(String(data)));
    } catch (error) {
      this.#failure ??= error;
    }
  };

  /** Throws if the client was told something wrong. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #read(message: Told): void {
    const { id, list, room, gone, notice } = message;
    if (list !== undefined) {
      this.id = id;
      this.#rooms.set(room, new Replay(this.#name, list));
    } else if (gone !== undefined) this.#rooms.delete(gone);
    else this.#onNotice(notice);
  }

  /** The client begins anew, with another connection. */
  reset(): void {
    this.#rooms.clear();
  }

  /** What the client knows of the room; `undefined` if the client is not in the room. */
  knows(room: string): ReadonlyMap<string, Json> | undefined {
    return this.#rooms.get(room)?.keys;
  }

  #onNotice(notice: KeyedNews): void {
    const replay = this.#rooms.get(notice.room);
    if (replay === undefined) throw new Error(`${this.#name} was told ${notice.type} in ${notice.room} without a list`);
    replay.apply(notice);
  }
}

export class Ledger {
  readonly #shown = new Map<string, Map<string, Shown>>();
  #order = 0;
  #isOver = false;
  /** What the handler of each node knows; only for nodes that have a member in each room all the time. */
  readonly #handlers: Map<string, Replay>[] = [];

  /** @param isAnchored whether the node has a member in each room, of the key {@link ANCHOR}, all the time */
  handlerOf(node: number, isAnchored: boolean): HandlerFunction {
    const rooms = new Map(ROOMS.map((room) => [room as string, new Replay(`the handler of node ${node}`)]));
    if (isAnchored) this.#handlers[node] = rooms;
    return (event, bus) => {
      if (event.type === "joined" || event.type === "changed" || event.type === "left") {
        // The heartbeat may have found the anchor too slow: then the handler is told less.
        if (!bus.members(event.room).some((member) => keyOf(member) === ANCHOR)) delete this.#handlers[node];
        if (!this.#isOver) this.#handlers[node]?.get(event.room)?.apply(event);
      } else if (event.type === "message") this.#obey(event.text.split(" "), event.connection, bus);
    };
  }

  /**
   * Ends the ledger. Throws if a node lists anything but the truth, or a client or a handler knows anything else.
   * @returns how many keys are present in all rooms
   */
  check(nodes: Nodes, listeners: readonly Listener[]): number {
    let present = 0;
    this.#isOver = true;
    const byId = new Map(listeners.map((listener) => [listener.id, listener]));
    for (const room of ROOMS) {
      const truth = this.#truth(nodes, room);
      present += truth.size;
      const known = new Map(Array.from(truth, ([key, { info }]) => [key, info]));
      const connections = [...truth.values()].reduce((sum, one) => sum + one.connections, 0);
      let first: readonly PresentKey[] | undefined;
      for (const [i, server] of nodes.entries()) {
        if (server === undefined) continue;
        const members = server.members(room);
        const [listed, count] = [server.present(room), server.presentCount(room)];
        const told = listed.map(({ key, info, connections, away }) => [key, { info, connections, away }] as const);
        const place = `node ${i} in ${room}`;
        same(place, new Map(told), members.length === 0 ? new Map() : truth);
        same(
          `the order at ${place}`,
          listed,
          listed.toSorted((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1)),
        );
        if (members.length === 0) continue;
        same(`the count at ${place}`, count, { keys: truth.size, connections });
        first ??= listed;
        same(`the list at ${place}, beside another node's`, listed, first);
        const handler = this.#handlers[i]?.get(room);
        if (handler !== undefined) same(`the handler of ${place}`, handler.keys, known);
        for (const { id, isAway } of members) if (!isAway) same(`${id} in ${room}`, byId.get(id)?.knows(room), known);
      }
    }
    return present;
  }

  /** Does what a client asks for: `join r`, `leave r`, `show 5`. */
  #obey([verb = "", argument = ""]: readonly string[], connection: Connection, bus: Bus): void {
    const list = (room: string): void => {
      const keys = bus.present(room).map(({ key, info }) => [key, info]);
      connection.send(JSON.stringify({ id: connection.id, room, list: keys }));
    };
    if (verb === "join") {
      if (connection.join(argument)) this.#note(connection, argument, infoOf(connection), bus.now());
      list(argument);
    }
    if (verb === "leave" && connection.leave(argument)) connection.send(JSON.stringify({ gone: argument }));
    if (verb !== "show") return;
    const info = { shown: Number(argument) };
    connection.show(info);
    infos.set(connection, info);
    for (const room of connection.rooms) {
      this.#note(connection, room, info, bus.now());
      // A notice does not go to the connection that has caused the change.
      list(room);
    }
  }

  #note(connection: Connection, room: string, info: Json, at: number): void {
    const shown = this.#shown.get(room) ?? new Map<string, Shown>();
    const isShown = infos.has(connection);
    this.#shown.set(room, shown.set(connection.id, { info, at, order: ++this.#order, isShown }));
  }

  /** Who is in a room, from the members of the nodes and what each has shown. */
  #truth(nodes: Nodes, room: string): Map<string, Omit<PresentKey, "key" | "since">> {
    const truth = new Map<string, { info: Json; connections: number; away: boolean }>();
    const best = new Map<string, { readonly at: number; readonly node: string; readonly isShown: boolean }>();
    for (const server of nodes) {
      if (server === undefined) continue;
      const node = server.stats().cluster?.node ?? "";
      for (const [key, members] of byKey(server.members(room))) {
        const shown = members.map(({ id }) => this.#shown.get(room)?.get(id) as Shown);
        const latest = shown.reduce((a, b) => (isLater(b, a, b.order > a.order) ? b : a));
        const away = members.every(({ isAway }) => isAway);
        const other = truth.get(key);
        const otherBest = best.get(key);
        const isBest =
          otherBest === undefined ||
          isLater(latest, otherBest, latest.at > otherBest.at || (latest.at === otherBest.at && node > otherBest.node));
        if (isBest) best.set(key, { at: latest.at, node, isShown: latest.isShown });
        truth.set(key, {
          info: isBest || other === undefined ? latest.info : other.info,
          connections: members.length + (other?.connections ?? 0),
          away: away && (other?.away ?? true),
        });
      }
    }
    return truth;
  }
}

/** What a connection has shown by itself counts before the answers of `presence.info`. */
function isLater(a: Pick<Shown, "isShown">, b: Pick<Shown, "isShown">, isAfter: boolean): boolean {
  return a.isShown === b.isShown ? isAfter : a.isShown;
}

/** What connections have shown by themselves. */
const infos = new WeakMap<Connection, Json>();

export function keyOf({ query }: Connection): string {
  return query.get("key") ?? "";
}

function byKey(members: readonly Connection[]): Map<string, Connection[]> {
  const groups = new Map<string, Connection[]>();
  for (const member of members) groups.set(keyOf(member), [...(groups.get(keyOf(member)) ?? []), member]);
  return groups;
}

/** What is told of a connection: what the connection has shown, or a number from its request. */
export function infoOf(connection: Connection): Json {
  return infos.get(connection) ?? { info: connection.query.get("info") };
}

function same(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`${what}: expected ${written(expected)}, found ${written(found)}`);
}

function written(value: unknown): string {
  return JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value);
}
