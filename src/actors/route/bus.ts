/**
 * The bus of one route: the verbs by which a handler sends messages and asks about connections. Encodes each message once, and
 * offers the frame to the outbox of each target; the registry supplies the targets. The route creates the bus; `stop` cancels
 * every timer.
 */

import type { Bus, Cancel, Receipt, RoomOption } from "../../api/bus.js";
import { checkCloseCode, NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionRef, Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { FollowFrom, FollowResult } from "../../api/follow.js";
import type { HistoryRange, HistoryResult } from "../../api/history.js";
import type { PresentCount, PresentKey } from "../../api/presence.js";
import type { Stats } from "../../api/stats.js";
import type { KeptListener, LocalBus, OrderedMessage } from "../../cluster/remote-bus.js";
import { logsEachEvent } from "../../runtime/logger.js";
import { show } from "../../runtime/show.js";
import type { Frame } from "../../transport/frame.js";
import type { History } from "../history/history.js";
import type { Presence } from "../presence/presence.js";
import type { BusParts } from "./bus-parts.js";
import { BusTimers } from "./bus-timers.js";
import { checkRoom, partOf, readKeep, readRooms } from "./checks.js";
import type { Member, Outbox, Outcome } from "./member.js";
import { Multicast } from "./multicast.js";
import { PlainDelivery } from "./plain-delivery.js";
import { NO_TARGET, receiptOf, withForwarded } from "./receipts.js";

/** The log line for an event rejected by `Member.forward`. */
export const LOST_INFO: string = "an info event is lost: mailbox.maxInfo events wait for this connection already";

function idOf(ref: ConnectionRef): string {
  return typeof ref === "string" ? ref : ref.id;
}

export class RouteBus implements Bus, LocalBus {
  readonly #parts: BusParts;
  readonly #timers: BusTimers;
  readonly #multicasts: Multicast;
  // Absent without the options `presence` and `history`.
  presence: Presence | undefined = undefined;
  keeper: History | undefined = undefined;
  /** Gets what the nodes of a cluster keep. */
  keptListener: KeptListener;
  #hasStopped = false;

  constructor(parts: BusParts) {
    this.#parts = parts;
    const { clock, counters, log } = parts;
    this.#multicasts = new Multicast(parts);
    this.#timers = new BusTimers({
      clock,
      counters,
      log,
      tell: (data, id) => this.tell(data, id),
      has: (id) => this.has(id),
    });
    this.keptListener = new PlainDelivery(parts.encode, this);
    parts.remoteBus?.attach(this);
  }

  unicast(data: Data, to: ConnectionRef): Receipt {
    return this.#sendTo(data, to, false);
  }

  /** Like `unicast`, but reaches connections of any route on other nodes. */
  unicastToAnyRoute(data: Data, to: ConnectionRef): Receipt {
    return this.#sendTo(data, to, true);
  }

  /** Like `unicast`, to a connection that is at hand. @returns whether the message is queued */
  reply(data: Data, member: Member): boolean {
    if (!member.outbox.isOpen) return this.unicast(data, member).queued === 1;
    return this.#offerOne(this.#parts.encode(data), member.outbox) === "queued";
  }

  broadcast(data: Data, source: ConnectionRef, options?: RoomOption): Receipt {
    if (options === undefined) return this.#multicast(data, undefined, this.find(source), idOf(source));
    const rooms = readRooms("broadcast", options);
    const member = this.find(source);
    const room = readKeep("broadcast", options.keep, rooms);
    return room === undefined
      ? this.#multicast(data, rooms, member, idOf(source))
      : partOf("history", this.keeper, "bus.broadcast with keep").keep(data, room, idOf(source));
  }

  sendall(data: Data, options?: RoomOption): Receipt {
    if (options === undefined) return this.#multicast(data, undefined);
    const rooms = readRooms("sendall", options);
    const room = readKeep("sendall", options.keep, rooms);
    if (room === undefined) return this.#multicast(data, rooms);
    return partOf("history", this.keeper, "bus.sendall with keep").keep(data, room, undefined);
  }

  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void {
    this.#offer(frame, rooms, except === undefined ? undefined : this.#parts.registry.find(except));
  }

  /** Delivers a message that history has kept. @param position absent if the store has not taken the message */
  readonly offerKept = (
    frame: Frame,
    room: string,
    source: string | undefined,
    position: string | undefined,
  ): Receipt => this.#offer(frame, [room], source === undefined ? undefined : this.find(source), position);

  has(id: string): boolean {
    return this.#parts.registry.find(id) !== undefined;
  }

  deliverTo(frame: Frame, id: string): void {
    const member = this.#parts.registry.find(id);
    if (member === undefined) this.#parts.counters.deadLetters++;
    else this.#offerTo(frame, member);
  }

  receiveKept(room: string, message: OrderedMessage): void {
    this.keptListener.receiveKept(room, message);
  }

  onBreak(room: string | undefined): void {
    this.keptListener.onBreak(room);
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

  present(room: string): PresentKey[] {
    checkRoom(room);
    return partOf("presence", this.presence, "present").present(room);
  }

  presentCount(room: string): PresentCount {
    checkRoom(room);
    return partOf("presence", this.presence, "presentCount").presentCount(room);
  }

  async follow(member: Member, room: string, from: FollowFrom): Promise<FollowResult> {
    return partOf("history", this.keeper, "connection.follow").follow(member, room, from);
  }

  async history(room: string, range: HistoryRange = {}): Promise<HistoryResult> {
    return partOf("history", this.keeper, "bus.history").read(room, range);
  }

  show(connection: Connection, info: unknown): boolean {
    return partOf("presence", this.presence, "connection.show").show(connection, info);
  }

  connections(): Connection[] {
    return this.targets();
  }

  tell(data: unknown, to?: ConnectionRef): boolean {
    if (this.#hasStopped) return false;
    if (to !== undefined) return this.find(to)?.tell(data) ?? false;
    const { mailbox, common, tellsEach } = this.#parts;
    return tellsEach() ? this.#tellEach(data) : mailbox.post(common, { type: "info", data });
  }

  after(ms: number, data: unknown, to?: ConnectionRef): Cancel {
    return this.#timers.after(ms, data, this.#checkedId(to));
  }

  every(ms: number, data: unknown, to?: ConnectionRef): Cancel {
    return this.#timers.every(ms, data, this.#checkedId(to));
  }

  /** @param signal ends the sleep early; not aborted yet */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#timers.sleep(ms, signal);
  }

  /** How many calls of `sleep` are pending, in channels too. */
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

  /** Every connection that gets messages, in order of opening. */
  targets(): Member[] {
    return targets(this.#parts.registry.all());
  }

  /** Looks up an open connection of the route. */
  find(ref: ConnectionRef): Member | undefined {
    if (typeof ref !== "string" && typeof ref?.id !== "string")
      throw new SendallError("BAD_DATA", `connection: expected a connection or its id, got ${show(ref)}`);
    // Reads the map without a call of the registry, since each reply comes here.
    return this.#parts.registry.byId.get(typeof ref === "string" ? ref : ref.id);
  }

  /** The id of an addressee. Checked now: thrown from an alarm, the error would have no caller, and would end the process. */
  #checkedId(to: ConnectionRef | undefined): string | undefined {
    if (to === undefined) return undefined;
    this.find(to);
    return idOf(to);
  }

  /** Cancels every timer and sets no more: pending sleeps never resolve. */
  stop(): void {
    this.#hasStopped = true;
    this.#timers.stop();
    this.presence?.stop();
    this.keeper?.stop();
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
    if (remoteBus?.isRemote(id)) return withForwarded(NO_TARGET, remoteBus.unicast(frame, id, anyRoute));
    counters.deadLetters++;
    return withForwarded(receiptOf("dead"), remoteBus && 0);
  }

  #offerTo(frame: Frame, member: Member): Receipt {
    return receiptOf(this.#offerOne(frame, member.outbox));
  }

  #offerOne(frame: Frame, outbox: Outbox): Outcome {
    const { counters, level } = this.#parts;
    counters.sent.frames++;
    const outcome = outbox.offer(frame);
    if (outcome === "dead") counters.deadLetters++;
    if (logsEachEvent(level)) this.#log(frame, receiptOf(outcome));
    return outcome;
  }

  /** @param exceptId left out on every node, since the connection may be open on any node */
  #multicast(data: Data, rooms: readonly string[] | undefined, except?: Member, exceptId?: string): Receipt {
    const { encode, remoteBus } = this.#parts;
    const frame = encode(data);
    const receipt = this.#offer(frame, rooms, except);
    return withForwarded(receipt, remoteBus?.publish(frame, rooms, exceptId));
  }

  /** @param position of a kept message */
  #offer(frame: Frame, rooms: readonly string[] | undefined, except: Member | undefined, position?: string): Receipt {
    const { counters, level } = this.#parts;
    const followOf = rooms === undefined ? undefined : this.keeper?.follows.in(rooms);
    const offerTo =
      followOf && ((member: Member) => followOf(member)?.offer(frame, position) ?? member.outbox.offer(frame));
    const receipt = this.#multicasts.offer(frame, rooms, except, offerTo);
    if (receipt.targeted > 0) counters.sent.frames++;
    counters.deadLetters += receipt.dead;
    if (logsEachEvent(level)) this.#log(frame, receipt);
    return receipt;
  }

  #log(frame: Frame, receipt: Receipt): void {
    this.#parts.log.debug({ bytes: frame.payloadBytes, ...receipt }, "frame");
  }
}

function targets(members: Iterable<Member>): Member[] {
  const found: Member[] = [];
  for (const member of members) if (member.isTarget) found.push(member);
  return found;
}
