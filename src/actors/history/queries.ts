/** Reads what a program asks of the history of a room. */
import { SendallError } from "../../api/errors.js";
import type { HistoryQuery } from "../../api/history-store.js";
import { isRecord } from "../../options/kinds.js";
import { show } from "../../runtime/show.js";

/** A longer string is no position of any store. */
const MAX_POSITION_LENGTH = 512;

/** A query for a store; `isUnknown`: what was given as a position cannot be a position, and the query asks only where the room stands. */
export interface ReadQuery extends HistoryQuery {
  readonly isUnknown: boolean;
}

function refuse(verb: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${verb}: ${problem}`);
}

/**
 * The query for `connection.follow`, or for `bus.history`, which may ask for everything. A key that is there counts, even with `undefined`: a client
 * without a position has an unknown position.
 *
 * @throws SendallError `BAD_OPTION`
 */
export function readQuery(verb: "connection.follow" | "bus.history", asked: unknown, limit: number): ReadQuery {
  const accepted = `{ last: 50 } or { after: position }${verb === "bus.history" ? ", or nothing for everything" : ""}`;
  if (!isRecord(asked)) refuse(verb, `expected ${accepted}, got ${show(asked)}`);
  const unknown = Object.keys(asked).find((name) => name !== "last" && name !== "after");
  if (unknown !== undefined) refuse(verb, `unknown option "${unknown}": expected ${accepted}`);
  const { last, after } = asked;
  if (last !== undefined && after !== undefined) refuse(verb, "expected either last or after, got both");
  if (last !== undefined) {
    if (typeof last !== "number" || !Number.isSafeInteger(last) || last < 0)
      refuse(verb, `last: expected a whole number from 0, got ${show(last)}`);
    return { last: Math.min(last, limit), limit, isUnknown: false };
  }
  if (!("after" in asked)) {
    if (verb === "bus.history") return { last: limit, limit, isUnknown: false };
    refuse(verb, `expected ${accepted}, got neither`);
  }
  if (typeof after !== "string" || after.length > MAX_POSITION_LENGTH) return { last: 0, limit, isUnknown: true };
  return { after, limit, isUnknown: false };
}
