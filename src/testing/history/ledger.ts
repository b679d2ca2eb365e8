/** What a room must answer, written down beside the store: the model of the random tests. A ledger ends with its run. */
import assert from "node:assert/strict";
import type { HistoryLimits, HistoryReading, MessageToKeep } from "../../api/history-store.js";

interface Line {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** Where a position stands: before the message of this index. A start is a position that was told of a room without messages. */
interface Anchor {
  readonly index: number;
  readonly isStart: boolean;
}

class RoomLedger {
  readonly lines: Line[] = [];
  readonly anchors = new Map<string, Anchor>();
  /** The messages before this index have gone. */
  gone = 0;
  /** The start that was told last, unless a trim may have forgotten the room. */
  start: string | undefined;
}

export class HistoryLedger {
  readonly #limits: HistoryLimits;
  readonly #rooms = new Map<string, RoomLedger>();

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  /** The positions that were told of a room so far. */
  positions(room: string): string[] {
    return [...this.#room(room).anchors.keys()];
  }

  kept(entry: MessageToKeep, position: string): void {
    for (const { anchors } of this.#rooms.values()) assert.ok(!anchors.has(position), "no position is given twice");
    const room = this.#room(entry.room);
    room.lines.push({ bytes: entry.bytes, at: entry.at });
    room.anchors.set(position, { index: room.lines.length, isStart: false });
    this.#dropBeyond(room);
  }

  /** A trim may forget rooms without messages. */
  trimmed(now: number): void {
    for (const room of this.#rooms.values()) {
      this.#dropOld(room, now);
      if (room.gone === room.lines.length) room.start = undefined;
    }
  }

  /** A reading of `last` messages, at `now`. */
  checkLast(name: string, last: number, now: number, { entries, position }: HistoryReading): void {
    const room = this.#room(name);
    this.#dropOld(room, now);
    const expected = room.lines.slice(room.gone).slice(last === 0 ? room.lines.length : -last);
    if (this.#canEvict) assert.ok(isEnd(entries, room.lines), "the entries are the newest");
    else checkSame(entries, expected);
    this.#noteStart(room, position);
  }

  /** A reading after a position, at `now`. */
  checkAfter(name: string, after: string, now: number, reading: HistoryReading): void {
    const room = this.#room(name);
    this.#dropOld(room, now);
    const anchor = room.anchors.get(after);
    const isThere = anchor !== undefined && anchor.index >= room.gone + (anchor.isStart ? 0 : 1);
    if (reading.outcome === "complete") {
      assert.ok(isThere, "a position is complete only while nothing after it has gone");
      checkSame(reading.entries, room.lines.slice(anchor.index));
    } else if (isThere && (!anchor.isStart || after === room.start))
      assert.ok(this.#canEvict, `${reading.outcome}, but the anchor is there`);
    this.#noteStart(room, reading.position);
  }

  get #canEvict(): boolean {
    return this.#rooms.size > this.#limits.maxRooms;
  }

  #room(name: string): RoomLedger {
    const room = this.#rooms.get(name) ?? new RoomLedger();
    this.#rooms.set(name, room);
    return room;
  }

  /** A room without messages tells its start. */
  #noteStart(room: RoomLedger, position: string): void {
    if (room.anchors.has(position)) return;
    assert.ok(this.#canEvict || room.gone === room.lines.length, "the reading's position is that of the last message");
    room.anchors.set(position, { index: room.lines.length, isStart: true });
    room.start = position;
  }

  #dropBeyond(room: RoomLedger): void {
    const { maxMessages, maxBytes } = this.#limits;
    room.gone = Math.max(room.gone, room.lines.length - maxMessages);
    let bytes = room.lines.slice(room.gone).reduce((sum, line) => sum + line.bytes.length, 0);
    for (; bytes > maxBytes && room.gone < room.lines.length - 1; room.gone++)
      bytes -= room.lines[room.gone]?.bytes.length ?? 0;
  }

  #dropOld(room: RoomLedger, now: number): void {
    while (room.gone < room.lines.length && now - (room.lines[room.gone]?.at ?? now) > this.#limits.maxAgeMs)
      room.gone++;
  }
}

function checkSame(entries: HistoryReading["entries"], lines: readonly Line[]): void {
  assert.deepEqual(
    entries.map(({ bytes, at }) => `${at} ${Buffer.from(bytes).toString("base64")}`),
    lines.map(({ bytes, at }) => `${at} ${Buffer.from(bytes).toString("base64")}`),
    "the entries are all that was asked for, once, in order",
  );
}

function isEnd(entries: HistoryReading["entries"], lines: readonly Line[]): boolean {
  const tail = entries.length === 0 ? [] : lines.slice(-entries.length);
  return entries.every(({ bytes }, i) => Buffer.from(tail[i]?.bytes ?? []).equals(bytes));
}
