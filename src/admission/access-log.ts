/**
 * Access log: hands each answered request and upgrade to the option `onAccess`. The gate reports upgrades, `http/requests.ts` reports plain
 * requests.
 */
import type { AccessEntry } from "../api/options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { optionOwner, runFor } from "../runtime/unhandled-rejections.js";

/** Calls `onAccess` with an entry; logs what `onAccess` throws. */
export type AccessLog = (entry: AccessEntry) => void;

/** @returns `undefined` without `onAccess`, which spares callers the making of entries */
export function createAccessLog(onAccess: AccessLog | undefined, clock: Clock, log: Logger): AccessLog | undefined {
  if (onAccess === undefined) return undefined;
  const owner = optionOwner("onAccess", clock, log);
  return (entry) => {
    try {
      runFor(owner, onAccess, entry);
    } catch (error) {
      log.error({ err: error }, "onAccess failed");
    }
  };
}
