/** Validates arguments of the bus and of connections: names of rooms, durations. */
import { SendallError } from "../../api/errors.js";
import { MAX_NAME_LENGTH } from "../../api/names.js";
import { show } from "../../runtime/show.js";

/** Throws `BAD_ROOM` unless the value can be the name of a room. */
export function checkRoom(room: unknown): asserts room is string {
  if (typeof room === "string" && room.length > 0 && room.length <= MAX_NAME_LENGTH) return;
  const got = typeof room === "string" && room !== "" ? `one of ${room.length}` : show(room);
  throw new SendallError("BAD_ROOM", `room: expected a string of 1 to ${MAX_NAME_LENGTH} characters, got ${got}`);
}

/** V8 copies shorter substrings; a longer substring keeps the whole source string in memory. */
const COPIED_BELOW = 13;

/** Copies the name: a name cut out of a message would keep the message in memory as long as the room. */
export function ownName(room: string): string {
  if (room.length < COPIED_BELOW) return room;
  const copy = Buffer.from(room).toString();
  // A lone surrogate has no UTF-8.
  return copy === room ? copy : Buffer.from(room, "utf16le").toString("utf16le");
}

/** Throws `BAD_DURATION` unless the value is a number of milliseconds. */
export function checkDuration(what: string, ms: unknown): asserts ms is number {
  if (typeof ms !== "number" || !(ms >= 0 && ms < Number.POSITIVE_INFINITY))
    throw new SendallError("BAD_DURATION", `${what}: expected milliseconds from 0, got ${show(ms)}`);
}
