/**
 * The road through a store that orders and carries (`HistoryStore.subscribe`), such as Redis or JetStream: a node subscribes to the rooms with members,
 * and delivers what comes back, also the node's own messages. So the members on all nodes see one order.
 */
import type { Receipt } from "../../../api/bus.js";
import type { Clock, Timer } from "../../../runtime/clock.js";
import type { Logger } from "../../../runtime/logger.js";
import { catchLater } from "../../../runtime/promises.js";
import { isStored } from "../answers.js";
import { entryOf, type KeptMessage, type Road, type RoadParts, refuse, SENT_ON } from "./road.js";

export interface CarriedRoadParts extends RoadParts {
  readonly clock: Clock;
  readonly log: Logger;
}

type Subscribe = NonNullable<RoadParts["rooms"]["store"]["subscribe"]>;

/** A refused subscription is tried again after this time. */
const RETRY_MS = 1_000;

/** The subscription to one room, from the first member on until the last has gone. */
class RoomSubscription {
  readonly ready: Promise<void>;
  readonly #failed: RoadParts["failed"];
  #isOver = false;
  #unsubscribe: (() => void) | undefined;

  constructor(subscribe: Subscribe, name: string, onEntry: (entry: unknown) => void, failed: RoadParts["failed"]) {
    this.#failed = failed;
    this.ready = this.#begin(subscribe, name, onEntry);
    // Followers hear of a failure; without a follower the road logs.
    this.ready.catch(() => {});
  }

  /** Throws nothing, whatever the store throws: the members of the room have still to leave. */
  end(): void {
    this.#isOver = true;
    try {
      catchLater(this.#unsubscribe?.(), (error) => this.#failed(error, "history.store"));
    } catch (error) {
      this.#failed(error, "history.store");
    }
    this.#unsubscribe = undefined;
  }

  async #begin(subscribe: Subscribe, name: string, onEntry: (entry: unknown) => void): Promise<void> {
    let hasAsked = false;
    const subscribed = subscribe(name, (entry) => {
      // What comes before the store has answered was appended before the member came.
      if (hasAsked && !this.#isOver) onEntry(entry);
    });
    hasAsked = true;
    this.#unsubscribe = await subscribed;
    if (this.#isOver) this.end();
  }
}

export class CarriedRoad implements Road {
  readonly isDelayed = true;
  readonly #parts: CarriedRoadParts;
  readonly #subscribe: Subscribe;
  readonly #subscriptions = new Map<string, RoomSubscription>();
  readonly #retries = new Set<Timer>();
  /** The store has refused a subscription, and has confirmed none since: told once. */
  #isRefused = false;

  constructor(parts: CarriedRoadParts, subscribe: Subscribe) {
    this.#parts = parts;
    this.#subscribe = subscribe;
  }

  send(message: KeptMessage): Receipt {
    const { rooms, counters, failed } = this.#parts;
    try {
      if (rooms.store.isUp !== false) {
        rooms.onUsed();
        catchLater(rooms.store.append(entryOf(message, rooms)), (error) => failed(error, "history.store"));
        counters.kept++;
        return SENT_ON;
      }
    } catch (error) {
      failed(error, "history.store");
    }
    return refuse(message, this.#parts);
  }

  ready(room: string): Promise<void> | undefined {
    return this.#subscriptions.get(room)?.ready;
  }

  onOccupied(room: string): void {
    const { rooms, log, clock, failed } = this.#parts;
    const onEntry = (entry: unknown): void => this.#receive(room, entry);
    const subscription = new RoomSubscription(this.#subscribe, rooms.nameOf(room), onEntry, failed);
    this.#subscriptions.set(room, subscription);
    const onReady = (): void => {
      this.#isRefused = false;
    };
    subscription.ready.then(onReady, (error: unknown) => {
      if (this.#subscriptions.get(room) !== subscription) return;
      if (!this.#isRefused)
        log.error(
          { err: error },
          "kept messages of rooms do not arrive: the store of the history refuses subscriptions",
        );
      this.#isRefused = true;
      const timer = clock.after(RETRY_MS, () => {
        this.#retries.delete(timer);
        if (this.#subscriptions.get(room) === subscription) this.onOccupied(room);
      });
      this.#retries.add(timer);
    });
  }

  onEmptied(room: string): void {
    this.#subscriptions.get(room)?.end();
    this.#subscriptions.delete(room);
  }

  stop(): void {
    for (const timer of this.#retries) timer.cancel();
    for (const room of [...this.#subscriptions.keys()]) this.onEmptied(room);
  }

  /** Throws nothing: the store's client may call from within a parser, where an exception would end the connection. */
  #receive(room: string, entry: unknown): void {
    const { deliver, failed, frames } = this.#parts;
    try {
      if (!isStored(entry)) throw new TypeError("the store handed over what is no message with bytes and a position");
      deliver(frames.of(entry), room, entry.source, entry.position);
    } catch (error) {
      failed(error, "history.store");
    }
  }
}
