/**
 * The shutdown of a server's routes, in steps (ARCHITECTURE.md): each step ends when finished or out of time. Called when the
 * server closes.
 */

import type { Route } from "../actors/route/route.js";
import type { CloseReason } from "../api/close-codes.js";
import type { Clock } from "../runtime/clock.js";
import { within } from "../runtime/promises.js";

export interface ShutdownSettings extends CloseReason {
  readonly drainMs: number;
  readonly closeTimeoutMs: number;
}

/** At most 256 connections get a close frame in one turn, so thousands do not hold up everything else. */
const CLOSED_PER_TURN = 256;
/** A terminated socket reports the end within this time. */
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
