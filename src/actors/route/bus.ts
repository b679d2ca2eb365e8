/**
 * The bus of one route: what a handler sends and asks with. Encodes each message once and offers the frame to the outbox of
 * each that it goes to; who is there it reads from the registry.
 */

import type { Bus, Cancel, Receipt, RoomOption } from "../../api/bus.js";
import { checkCloseCode, NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionRef, Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { MAX_NAME_LENGTH } from "../../api/names.js";
import type { Stats } from "../../api/stats.js";
import type { LocalBus, RemoteBus } from "../../cluster/remote-bus.js";
import { isDebugging } from "../../log/log.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { show } from "../../runtime/show.js";
import type { Frame } from "../../transport/frame.js";
import type { Counters } from "./counters.js";
import type { ConnectionQueue, Mailbox } from "./mailbox.js";
import type { Member, Outcome } from "./member.js";
import type { Registry } from "./registry.js";

export interface BusParts {
  readonly clock: Clock;
  readonly registry: Registry<Member>;
  readonly mailbox: Mailbox;
  /** The lane of what concerns no connection. */
  readonly common: ConnectionQueue;
  readonly counters: Counters;
  readonly log: Logger;
  /** Throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** Something was posted into the mailbox. */
  readonly wake: () => void;
  /** Whether what is told to nobody in particular is told to each connection. */
  readonly tellsEach: () => boolean;
  readonly stats: () => Stats;
  /** The way to the other nodes, if there are any. */
  readonly remoteBus?: RemoteBus | undefined;
}

/** Throws `BAD_ROOM` unless it can be the name of a room. */
export function checkRoom(room: unknown): asserts room is string {
  if (typeof room === "string" && room.length > 0 && room.length <= MAX_NAME_LENGTH) return;
  const got = typeof room === "string" && room !== "" ? `one of ${room.length}` : show(room);
  throw new SendallError("BAD_ROOM", `room: expected a string of 1 to ${MAX_NAME_LENGTH} characters, got ${got}`);
}

/** V8 copies a substring below this length; a longer one keeps the whole string that it was cut from. */
const COPIED_BELOW = 13;

/** The name as a string of its own: a name that was cut out of a message would keep that message for as long as the room. */
export function ownName(room: string): string {
  if (room.length < COPIED_BELOW) return room;
  const copy = Buffer.from(room).toString();
  // Half a character of two has no UTF-8.
  return copy === room ? copy : Buffer.from(room, "utf16le").toString("utf16le");
}

/** Throws `BAD_DURATION` unless it is a number of milliseconds. */
export function checkDuration(what: string, ms: unknown): asserts ms is number {
  if (typeof ms !== "number" || !(ms >= 0 && ms < Number.POSITIVE_INFINITY))
    throw new SendallError("BAD_DURATION", `${what}: expected milliseconds from 0, got ${show(ms)}`);
}

/** What is logged where `Member.forward` says `false`. */
export const LOST_INFO: string = "an info event is lost: mailbox.maxInfo of them wait for this connection";

const DEAD: Receipt = { targeted: 1, queued: 0, dropped: 0, dead: 1 };
const NOBODY: Receipt = { targeted: 0, queued: 0, dropped: 0, dead: 0 };

function idOf(ref: ConnectionRef): string {
  return typeof ref === "string" ? ref : ref.id;
}

function withForwarded(receipt: Receipt, forwarded: 0 | 1 | undefined): Receipt {
  return forwarded === undefined ? receipt : { ...receipt, forwarded };
}

export class RouteBus implements Bus, LocalBus {
  readonly #parts: BusParts;
  readonly #timers = new Set<Timer>();
  #hasEnded = false;

  constructor(parts: BusParts) {
    this.#parts = parts;
    parts.remoteBus?.attach(this);
  }

  unicast(data: Data, to: ConnectionRef): Receipt {
    return this.#sendTo(data, to, false);
  }

  /** As `unicast`; on another node it may be a connection of any route. */
  unicastToAnyRoute(data: Data, to: ConnectionRef): Receipt {
    return this.#sendTo(data, to, true);
  }

  broadcast(data: Data, source: ConnectionRef, options: RoomOption = {}): Receipt {
    return this.#fan(data, options.room, this.find(source), idOf(source));
  }

  sendall(data: Data, options: RoomOption = {}): Receipt {
    return this.#fan(data, options.room);
  }

  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void {
    this.#offer(frame, rooms, except === undefined ? undefined : this.#parts.registry.find(except));
  }

  has(id: string): boolean {
    return this.#parts.registry.find(id) !== undefined;
  }

  deliverTo(frame: Frame, id: string): void {
    const member = this.#parts.registry.find(id);
    if (member === undefined) this.#parts.counters.deadLetters++;
    else this.#offerTo(frame, member);
  }

  join(connection: ConnectionRef, room: string): boolean {
    checkRoom(room);
    return this.find(connection)?.join(room) ?? false;
  }

  leave(connection: ConnectionRef, room: string): boolean {
    checkRoom(room);
    return this.find(connection)?.leave(room) ?? false;
  }

  members(room: string): Connection[] {
    checkRoom(room);
    return targets(this.#parts.registry.members(room));
  }

  rooms(): string[] {
    return this.#parts.registry.rooms();
  }

  connections(): Connection[] {
    return this.targets();
  }

  tell(data: unknown, to?: ConnectionRef): boolean {
    if (this.#hasEnded) return false;
    if (to !== undefined) return this.find(to)?.tell(data) ?? false;
    const { mailbox, common, wake, tellsEach } = this.#parts;
    if (tellsEach()) return this.#tellEach(data);
    const posted = mailbox.post(common, { type: "info", data });
    if (posted) wake();
    return posted;
  }

  after(ms: number, data: unknown, to?: ConnectionRef): Cancel {
    checkDuration("bus.after", ms);
    // Now: when the alarm rings there is nobody to throw at, and the process would end.
    if (to !== undefined) this.find(to);
    if (this.#hasEnded) return () => {};
    // A connection may go long before its alarm rings, and is not kept for it.
    const id = to === undefined ? undefined : idOf(to);
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer);
      if (!this.tell(data, id) && id === undefined)
        this.#parts.log.warn({ maxInfo: true }, "an alarm's info event is lost: mailbox.maxInfo of them wait already");
    });
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      timer.cancel();
    };
  }

  /** @param signal ends the sleep early; not aborted yet */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    checkDuration("bus.sleep", ms);
    return new Promise((resolve) => {
      if (this.#hasEnded) return;
      const { clock, counters } = this.#parts;
      counters.sleepers++;
      const wake = (): void => {
        timer.cancel();
        this.#timers.delete(timer);
        counters.sleepers--;
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = clock.after(ms, wake);
      this.#timers.add(timer);
      signal?.addEventListener("abort", wake);
    });
  }

  /** How many wait for the clock, in channels too. */
  get sleepers(): number {
    return this.#parts.counters.sleepers;
  }

  now(): number {
    return this.#parts.clock.now();
  }

  close(to: ConnectionRef, code: number = NORMAL.code, reason: string = NORMAL.reason): boolean {
    checkCloseCode(code);
    return this.find(to)?.close(code, reason) ?? false;
  }

  stats(): Stats {
    return this.#parts.stats();
  }

  /** All that get messages, in order of opening. */
  targets(): Member[] {
    return targets(this.#parts.registry.all());
  }

  /** The open connection of this route that is meant. */
  find(ref: ConnectionRef): Member | undefined {
    if (typeof ref !== "string" && typeof ref?.id !== "string")
      throw new SendallError("BAD_DATA", `connection: expected a connection or its id, got ${show(ref)}`);
    return this.#parts.registry.find(ref);
  }

  /** Ends all alarms and sets no more: whoever sleeps is never woken. */
  end(): void {
    this.#hasEnded = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #tellEach(data: unknown): boolean {
    let isLost = false;
    for (const member of this.targets()) {
      if (member.forward(data)) continue;
      isLost = true;
      this.#parts.log.warn({ connection: member.id }, LOST_INFO);
    }
    return !isLost;
  }

  #sendTo(data: Data, to: ConnectionRef, anyRoute: boolean): Receipt {
    const { encode, counters, remoteBus } = this.#parts;
    const frame = encode(data);
    const member = this.find(to);
    if (member !== undefined) return withForwarded(this.#offerTo(frame, member), remoteBus && 0);
    const id = idOf(to);
    if (remoteBus?.isRemote(id)) return { ...NOBODY, forwarded: remoteBus.unicast(frame, id, anyRoute) };
    counters.deadLetters++;
    return withForwarded(DEAD, remoteBus && 0);
  }

  #offerTo(frame: Frame, member: Member): Receipt {
    this.#parts.counters.sent.frames++;
    const tally = new Tally();
    tally.add(member.offer(frame));
    return this.#done(frame, tally);
  }

  /** @param exceptId of whom is left out on other nodes, who may be here or there */
  #fan(data: Data, room: string | readonly string[] | undefined, except?: Member, exceptId?: string): Receipt {
    const { encode, remoteBus } = this.#parts;
    const rooms = room === undefined || Array.isArray(room) ? room : [room];
    rooms?.forEach(checkRoom);
    const frame = encode(data);
    const receipt = this.#offer(frame, rooms, except);
    if (remoteBus === undefined) return receipt;
    return { ...receipt, forwarded: remoteBus.publish(frame, rooms, exceptId) };
  }

  #offer(frame: Frame, rooms: readonly string[] | undefined, except: Member | undefined): Receipt {
    const { registry, counters } = this.#parts;
    const tally = new Tally();
    for (const member of rooms === undefined ? registry.all() : registry.membersOfAny(rooms))
      if (member !== except && member.isTarget) tally.add(member.offer(frame));
    if (tally.targeted > 0) counters.sent.frames++;
    return this.#done(frame, tally);
  }

  #done(frame: Frame, tally: Tally): Receipt {
    const { counters, log } = this.#parts;
    const { targeted, queued, dropped, dead } = tally;
    counters.deadLetters += dead;
    if (isDebugging(log)) log.debug({ bytes: frame.payloadBytes, targeted, queued, dropped, dead }, "frame");
    return { targeted, queued, dropped, dead };
  }
}

class Tally {
  targeted = 0;
  queued = 0;
  dropped = 0;
  dead = 0;

  add(outcome: Outcome): void {
    this.targeted++;
    this[outcome]++;
  }
}

function targets(members: Iterable<Member>): Member[] {
  const found: Member[] = [];
  for (const member of members) if (member.isTarget) found.push(member);
  return found;
}
