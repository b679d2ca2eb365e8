/**
 * Who is in the rooms of one bus (option `presence`): follows the members of the rooms, tells the members and the handler what has changed,
 * at the end of the turn or before somebody joins or asks, and shares the keys with the other nodes. Lasts as long as the bus.
 */
import type { Connection, Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { Json } from "../../api/json.js";
import { isName, MAX_NAME_LENGTH } from "../../api/names.js";
import type { PresenceNotice, PresentCount, PresentKey } from "../../api/presence.js";
import type { PresenceEntry, PresenceOwner, SharedPresence } from "../../cluster/presence/shared-presence.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { catchLater } from "../../runtime/promises.js";
import { show } from "../../runtime/show.js";
import type { Flushable, Turn } from "../../runtime/turn.js";
import { type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import type { RoomWatcher } from "../route/registry.js";
import type { Cause, News, WhichNews } from "./audience.js";
import { createPresenceEvent, type PresenceEvent } from "./presence-event.js";
import { PresentRoom, type PresentRoomParts } from "./present-room.js";
import { causeOfShow } from "./show-cause.js";
import { isSameInfo, readInfo } from "./shown-info.js";

export type PresenceSettings = Exclude<RouteSettings["presence"], false>;

export interface PresenceParts {
  readonly settings: PresenceSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly remoteBus: RemoteBus | undefined;
  readonly find: (id: string) => Connection | undefined;
  readonly hasMembers: (room: string) => boolean;
  /** The room is followed no longer. */
  readonly onUnfollowed: (room: string) => void;
  /** Throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** Offers a frame to the members of a room on this node. */
  readonly deliver: (frame: Frame, room: string, exceptId: string | undefined) => void;
  /** Posts an event to the handler. */
  readonly post: (event: PresenceEvent) => void;
  readonly handlerHasRoom: () => boolean;
  /** The owner of the user's code that runs because of a connection; `undefined` stands for a connection of another node. */
  readonly ownerOf: (id: string | undefined) => LeakOwner;
  /** The user's code has failed. Charged to the connection, or only noted. */
  readonly failed: (error: unknown, what: string, connection: Connection | undefined) => void;
}

/** The pause before news that the handler had no room for are offered again. */
const RETRY_MS = 100;
/** What a connection shows that has shown nothing, if the program has no `presence.info`. */
const NOTHING = { info: null, isShown: false };

export class Presence implements RoomWatcher<Connection>, PresenceOwner, Flushable {
  readonly #parts: PresenceParts;
  readonly #roomParts: PresentRoomParts;
  readonly #shared: SharedPresence | undefined;
  readonly #rooms = new Map<string, PresentRoom>();
  /** The latest info of each connection, and whether the connection has shown the info by itself. */
  readonly #shown = new WeakMap<Connection, { readonly info: Json; readonly isShown: boolean }>();
  #changed = new Set<PresentRoom>();
  #isFlushPending = false;
  #retry: Timer | undefined;
  #hasStopped = false;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { settings, clock, handlerHasRoom } = parts;
    this.#shared = parts.remoteBus?.sharePresence(this);
    this.#roomParts = {
      clock,
      graceMs: settings.graceMs,
      maxListed: settings.maxListed,
      shared: this.#shared,
      onChanged: (room) => this.#onChanged(room),
      tellClients: (room, { type, key, info, count, cause }) => this.#notify({ type, room, key, info, count }, cause),
      tellCount: (room, count, cause) => this.#notify({ type: "count", room, count }, cause),
      tellHandler: (room, news) => this.#tellHandler(room, news),
      handlerHasRoom,
    };
  }

  present(room: string): PresentKey[] {
    this.#tell(room, { isAgain: true });
    return this.#rooms.get(room)?.list() ?? [];
  }

  presentCount(room: string): PresentCount {
    this.#tell(room, { isAgain: true });
    return this.#rooms.get(room)?.count() ?? { keys: 0, connections: 0 };
  }

  /** @returns whether the info differs from the info of before. @throws SendallError `BAD_INFO` */
  show(connection: Connection, given: unknown): boolean {
    const { clock, settings } = this.#parts;
    const info = readInfo("connection.show", given, settings.maxInfoBytes);
    if (!connection.isOpen) return false;
    const shown = { info, at: clock.now(), isShown: true };
    const before = this.#shown.get(connection) ?? (settings.info === undefined ? NOTHING : undefined);
    this.#shown.set(connection, { info, isShown: true });
    for (const name of connection.rooms) {
      const room = this.#rooms.get(name);
      const key = room?.own.show(connection, shown);
      if (key !== undefined) room?.onOwnChanged(key, causeOfShow(connection));
    }
    return before === undefined || !isSameInfo(before.info, info);
  }

  /** The connection has gone away, or has come back. */
  onAwayOrBack(connection: Connection): void {
    for (const name of connection.rooms) {
      const room = this.#rooms.get(name);
      const key = room?.own.keyOf(connection);
      if (key !== undefined) room?.onOwnDiffers(key);
    }
  }

  beforeJoin(connection: Connection, name: string): (() => void) | undefined {
    if (this.#hasStopped) return () => {};
    const key = this.#keyOf(connection);
    this.#askInfo(connection);
    if (!this.#parts.hasMembers(name)) this.#rooms.get(name)?.onFilling();
    this.#tell(name, { coming: key, isAgain: true });
    // The user's code may have closed the connection, or have let it leave, or leave and join.
    const isIn = this.#rooms.get(name)?.own.keyOf(connection) !== undefined;
    if (isIn || !connection.isOpen || !connection.rooms.has(name)) {
      if (!this.#parts.hasMembers(name)) this.#rooms.get(name)?.onEmptied();
      return undefined;
    }
    return () => {
      const room = this.#rooms.get(name) ?? new PresentRoom(name, this.#roomParts);
      if (!this.#rooms.has(name)) this.#shared?.follow(name);
      this.#rooms.set(name, room);
      room.own.join(connection, key, {
        ...(this.#shown.get(connection) ?? NOTHING),
        at: this.#parts.clock.now(),
      });
      room.onOwnChanged(key, { id: connection.id, isLocal: true });
    };
  }

  beforeLeave(name: string): void {
    this.#tell(name);
  }

  left(connection: Connection, name: string): void {
    const room = this.#rooms.get(name);
    const key = room?.own.leave(connection);
    if (room === undefined || key === undefined) return;
    room.onOwnChanged(key, { id: connection.id, isLocal: true });
    if (!this.#parts.hasMembers(name)) room.onEmptied();
  }

  entriesOf(room: string): Iterable<PresenceEntry> {
    return this.#rooms.get(room)?.own.entries() ?? [];
  }

  /** A room is followed until its last member and its last key of this node have gone: a key in grace may come back on another node. */
  follows(room?: string): boolean {
    return room === undefined ? this.#rooms.size > 0 : this.#rooms.has(room);
  }

  rooms(): Iterable<string> {
    return this.#rooms.keys();
  }

  onCopiesChanged(name: string, keys: Iterable<string>): void {
    this.#rooms.get(name)?.onCopiesChanged(keys);
  }

  flush(): void {
    this.#isFlushPending = false;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const room of changed) {
      if (this.#hasStopped) return;
      room.publish();
      room.tell(this.#parts.turn.number);
      if (room.hasNews) this.#waitForRoom(room);
      else if (room.own.isEmpty && !this.#parts.hasMembers(room.name)) this.#drop(room);
    }
  }

  /** From now on the bus has no presence: no news are told, and the lists are empty. */
  stop(): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    this.#retry?.cancel();
    for (const room of this.#rooms.values()) room.stop();
    this.#rooms.clear();
    this.#shared?.stop();
  }

  /** What is due goes to the members of now. */
  #tell(name: string, which?: WhichNews): void {
    const room = this.#rooms.get(name);
    if (room?.hasNews && !this.#hasStopped) room.tell(this.#parts.turn.number, which);
  }

  #drop(room: PresentRoom): void {
    room.stop();
    this.#rooms.delete(room.name);
    this.#shared?.forget(room.name);
    this.#parts.onUnfollowed(room.name);
  }

  #onChanged(room: PresentRoom): void {
    this.#changed.add(room);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushPending || this.#hasStopped) return;
    this.#isFlushPending = true;
    this.#parts.turn.flushAtEnd(this);
  }

  /** News wait for the next turn, or until the handler has taken some of its events. */
  #waitForRoom(room: PresentRoom): void {
    this.#changed.add(room);
    if (this.#parts.handlerHasRoom()) this.#scheduleFlush();
    else
      this.#retry ??= this.#parts.clock.after(RETRY_MS, () => {
        this.#retry = undefined;
        this.#scheduleFlush();
      });
  }

  #keyOf(connection: Connection): string {
    const { key } = this.#parts.settings;
    if (key === undefined) return connection.id;
    try {
      const name = this.#ask(() => key(connection), connection.id);
      if (isName(name)) return name;
      const expected = `a string of 1 to ${MAX_NAME_LENGTH} characters`;
      throw new SendallError("BAD_DATA", `presence.key: expected ${expected}, got ${show(name)}`);
    } catch (error) {
      this.#parts.failed(error, "presence.key", connection);
      return connection.id;
    }
  }

  /** Asks `presence.info`, unless the connection has shown something. */
  #askInfo(connection: Connection): void {
    const { failed, settings } = this.#parts;
    const { info: ask, maxInfoBytes } = settings;
    const hasShown = (): boolean => this.#shown.get(connection)?.isShown === true;
    if (ask === undefined || hasShown()) return;
    let info: Json = null;
    try {
      info = readInfo(
        "presence.info",
        this.#ask(() => ask(connection), connection.id),
        maxInfoBytes,
      );
    } catch (error) {
      failed(error, "presence.info", connection);
    }
    if (!hasShown()) this.#shown.set(connection, { info, isShown: false });
  }

  /** Runs the user's code. @param cause the id of the connection that is charged for what the code leaves behind */
  #ask(code: () => unknown, cause: string | undefined): unknown {
    const answer = runFor(this.#parts.ownerOf(cause), code);
    // The promise is a failure by itself.
    catchLater(answer);
    return answer;
  }

  #notify(notice: PresenceNotice, cause: Cause): void {
    const { settings, encode, deliver, failed, find, hasMembers } = this.#parts;
    const tell = settings.notice;
    if (tell === undefined || !hasMembers(notice.room)) return;
    const { id } = cause;
    try {
      const data = this.#ask(() => tell(Object.freeze(notice)), id);
      if (data !== undefined) deliver(encode(data as Data), notice.room, this.#knower(notice, cause));
    } catch (error) {
      failed(error, "presence.notice", id === undefined ? undefined : find(id));
    }
  }

  /** @returns the connection that knows already: not one whose info does not count, and which has to hear which info does */
  #knower(notice: PresenceNotice, { id, isForAll }: Cause): string | undefined {
    if (id === undefined || isForAll) return undefined;
    const connection = notice.type === "changed" ? this.#parts.find(id) : undefined;
    const shown = connection && this.#shown.get(connection);
    return shown === undefined || notice.type === "count" || isSameInfo(shown.info, notice.info) ? id : undefined;
  }

  #tellHandler(room: string, { type, key, info, count, cause: { id, isLocal } }: News): void {
    const { find, ownerOf, post } = this.#parts;
    const cause = (): Connection | undefined => (id === undefined ? undefined : find(id));
    post(createPresenceEvent({ type, room, key, info, count, isLocal }, { owner: ownerOf(id), find: cause }));
  }
}
