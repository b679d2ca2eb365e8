/** The verbs of the bus across every route of a server, for the rest of the program. Base class of `LiveServer`. */

import type { RouteBus } from "../actors/route/bus.js";
import type { Cancel, Receipt, RoomOption, Verbs } from "../api/bus.js";
import type { Connection, ConnectionRef, Data } from "../api/connection.js";
import { SendallError } from "../api/errors.js";
import type { HistoryRange, HistoryResult } from "../api/history.js";
import type { PresentCount, PresentKey } from "../api/presence.js";

export class AllRoutesBus implements Verbs {
  readonly #buses: readonly RouteBus[];
  /** Answers for connections unknown to every route. */
  readonly #first: RouteBus;

  constructor(buses: readonly [RouteBus, ...RouteBus[]]) {
    this.#first = buses[0];
    this.#buses = buses;
  }

  unicast(data: Data, to: ConnectionRef): Receipt {
    return this.#busOf(to).unicastToAnyRoute(data, to);
  }

  broadcast(data: Data, source: ConnectionRef, options?: RoomOption): Receipt {
    if (options?.keep === true) return this.#only("broadcast", " with keep").broadcast(data, source, options);
    return sum(this.#buses.map((bus) => bus.broadcast(data, source, options)));
  }

  sendall(data: Data, options?: RoomOption): Receipt {
    if (options?.keep === true) return this.#only("sendall", " with keep").sendall(data, options);
    return sum(this.#buses.map((bus) => bus.sendall(data, options)));
  }

  join(connection: ConnectionRef, room: string): boolean {
    return this.#busOf(connection).join(connection, room);
  }

  leave(connection: ConnectionRef, room: string): boolean {
    return this.#busOf(connection).leave(connection, room);
  }

  members(room: string): Connection[] {
    return this.#buses.flatMap((bus) => bus.members(room));
  }

  rooms(): string[] {
    return [...new Set(this.#buses.flatMap((bus) => bus.rooms()))];
  }

  present(room: string): PresentKey[] {
    return this.#only("present").present(room);
  }

  presentCount(room: string): PresentCount {
    return this.#only("presentCount").presentCount(room);
  }

  async history(room: string, range?: HistoryRange): Promise<HistoryResult> {
    return this.#only("history").history(room, range);
  }

  connections(): Connection[] {
    return this.#buses.flatMap((bus) => bus.connections());
  }

  /** Without an addressee, tells the handlers of every route; `false` if any handler could not be told. */
  tell(data: unknown, to?: ConnectionRef): boolean {
    if (to !== undefined) return this.#busOf(to).tell(data, to);
    return this.#buses.map((bus) => bus.tell(data)).every((told) => told);
  }

  after(ms: number, data: unknown, to?: ConnectionRef): Cancel {
    if (to !== undefined) return this.#busOf(to).after(ms, data, to);
    return cancelAll(this.#buses.map((bus) => bus.after(ms, data)));
  }

  every(ms: number, data: unknown, to?: ConnectionRef): Cancel {
    if (to !== undefined) return this.#busOf(to).every(ms, data, to);
    return cancelAll(this.#buses.map((bus) => bus.every(ms, data)));
  }

  sleep(ms: number): Promise<void> {
    return this.#first.sleep(ms);
  }

  now(): number {
    return this.#first.now();
  }

  /** The rooms of different routes are different rooms, even with the same name. */
  #only(verb: string, how = ""): RouteBus {
    if (this.#buses.length === 1) return this.#first;
    throw new SendallError(
      "BAD_OPTION",
      `server.${verb}${how}: expected a server with one route, got one with ${this.#buses.length}: use server.route(path).${verb}`,
    );
  }

  #busOf(ref: ConnectionRef): RouteBus {
    return this.#buses.find((bus) => bus.find(ref) !== undefined) ?? this.#first;
  }
}

function cancelAll(cancels: readonly Cancel[]): Cancel {
  return () => {
    for (const cancel of cancels) cancel();
  };
}

function sum(receipts: readonly Receipt[]): Receipt {
  const total = { targeted: 0, queued: 0, dropped: 0, dead: 0 };
  let forwarded: Receipt["forwarded"];
  for (const receipt of receipts) {
    total.targeted += receipt.targeted;
    total.queued += receipt.queued;
    total.dropped += receipt.dropped;
    total.dead += receipt.dead;
    forwarded = forwarded === 1 ? 1 : receipt.forwarded;
  }
  return forwarded === undefined ? total : { ...total, forwarded };
}
