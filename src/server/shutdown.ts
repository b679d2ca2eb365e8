/** The steps in which the routes of a server come to rest (design, supervision): each goes on when it is done or out of time. */

import type { Route } from "../actors/route/route.js";
import type { CloseReason } from "../api/close-codes.js";
import type { Clock } from "../runtime/clock.js";
import { within } from "../runtime/promises.js";

export interface ShutdownSettings extends CloseReason {
  readonly drainMs: number;
  readonly closeTimeoutMs: number;
}

/** So many connections get their close frame in one turn: thousands of them do not hold up everything else. */
const CLOSED_PER_TURN = 256;
/** A socket that was cut has said so by then. */
const CUT_MS = 100;

export async function shutDownRoutes(
  routes: readonly Route[],
  clock: Clock,
  settings: ShutdownSettings,
): Promise<void> {
  const every = (step: (route: Route) => Promise<void>): Promise<unknown> => Promise.all(routes.map(step));
  const { drainMs, closeTimeoutMs } = settings;
  for (const route of routes) route.shutdown.stopReceiving();
  await within(
    clock,
    drainMs,
    every((route) => route.shutdown.finished()),
  );
  const emptied = closeInSlices(routes, clock, settings).then(() => every((route) => route.shutdown.emptied()));
  await within(clock, closeTimeoutMs, emptied);
  for (const route of routes) route.shutdown.terminateAll();
  await within(
    clock,
    CUT_MS,
    every((route) => route.shutdown.emptied()),
  );
  await within(
    clock,
    closeTimeoutMs,
    every((route) => route.shutdown.stop()),
  );
}

async function closeInSlices(routes: readonly Route[], clock: Clock, reason: CloseReason): Promise<void> {
  let closed = 0;
  for (const route of routes)
    for (const _ of route.shutdown.closeAll(reason))
      if (++closed % CLOSED_PER_TURN === 0) await new Promise<void>((next) => clock.soon(next));
}
