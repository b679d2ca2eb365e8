/** Validates arguments of the bus and of connections: names of rooms, durations. */
import { SendallError } from "../../api/errors.js";
import { isName, MAX_NAME_LENGTH } from "../../api/names.js";
import { show } from "../../runtime/show.js";

/** Throws `BAD_ROOM` unless the value can be the name of a room. @param others what else is accepted where the value stands */
export function checkRoom(room: unknown, others = ""): asserts room is string {
  if (isName(room)) return;
  const got = typeof room === "string" && room !== "" ? `one of ${room.length}` : show(room);
  throw new SendallError(
    "BAD_ROOM",
    `room: expected a string of 1 to ${MAX_NAME_LENGTH} characters${others}, got ${got}`,
  );
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

/** Throws `BAD_DURATION` unless the value is a number of milliseconds above 0. */
export function checkInterval(what: string, ms: unknown): asserts ms is number {
  if (typeof ms !== "number" || !(ms > 0 && ms < Number.POSITIVE_INFINITY))
    throw new SendallError("BAD_DURATION", `${what}: expected milliseconds above 0, got ${show(ms)}`);
}

/**
 * The rooms in the options of a send; `undefined` without a room. Strict, since whatever is not understood would reach every
 * connection.
 *
 * @throws SendallError `BAD_OPTION` for anything but an object with `room`, `BAD_ROOM` for a `room` that names no room
 */
export function readRooms(verb: "broadcast" | "sendall", options: object): readonly string[] | undefined {
  if (typeof options !== "object" || options === null || Array.isArray(options) || "id" in options)
    refuseSendOptions(verb, `expected an object { room }, got ${show(options)}`);
  const unknown = Object.keys(options).find((name) => name !== "room" && name !== "keep");
  if (unknown !== undefined) refuseSendOptions(verb, `unknown option "${unknown}": "room" and "keep" are the options`);
  if (!("room" in options)) return undefined;
  const { room } = options;
  if (!Array.isArray(room)) {
    checkRoom(room, ", or an array of such strings");
    return [room];
  }
  for (const name of room) checkRoom(name);
  return room;
}

function refuseSendOptions(verb: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${verb}: ${problem}`, { option: "room" });
}

/**
 * The room of a message that is kept; `undefined` for a message that is not.
 *
 * @param rooms as `readRooms` has read the rooms of the same options
 * @throws SendallError `BAD_OPTION` for `keep` without exactly one room, or another value than a flag
 */
export function readKeep(
  verb: "broadcast" | "sendall",
  keep: unknown,
  rooms: readonly string[] | undefined,
): string | undefined {
  if (keep === undefined || keep === false) return undefined;
  if (keep !== true) refuseKeep(verb, `expected true or false, got ${show(keep)}`);
  const [room] = rooms ?? [];
  if (room === undefined || rooms?.length !== 1)
    refuseKeep(verb, `expected exactly one room, got ${rooms?.length ?? 0}`);
  return room;
}

function refuseKeep(verb: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${verb}: keep: ${problem}`, { option: "keep" });
}

/**
 * What an option of the route adds to the route.
 *
 * @throws SendallError `NO_PRESENCE` or `NO_HISTORY` without the option
 */
export function partOf<P>(option: "presence" | "history", part: P | undefined, verb: string): P {
  if (part !== undefined) return part;
  const code = option === "presence" ? "NO_PRESENCE" : "NO_HISTORY";
  throw new SendallError(code, `${verb}: the route has no ${option}: give the route ${option}: {}`);
}
