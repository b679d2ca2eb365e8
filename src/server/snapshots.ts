/**
 * The snapshots of a server: reads the options, starts meters with the first snapshot, and scans the routes a slice a turn. The server
 * makes the object; `stop` ends the meters.
 */
import { RouteMeter } from "../actors/snapshot/route-meter.js";
import { Scan, type ShownRoute } from "../actors/snapshot/scan.js";
import type { Snapshot, SnapshotOptions } from "../api/snapshot.js";
import type { ClusterStats } from "../api/stats.js";
import { checkNames, checkOptionsObject, readSettings } from "../options/read-options.js";
import type { Clock, Timer } from "../runtime/clock.js";

/** How many connections, events and rooms are looked at in a turn, so that tens of thousands hold up nothing else. */
const SLICE = 1_000;
/** Meters run on for this long after a snapshot. */
const METERS_MS = 60_000;

const table = {
  // The upper bound keeps a snapshot small enough to be sent to a page every second.
  top: { kind: "whole", min: 0, max: 1_000, default: 20 },
} as const;

/** What snapshots need of their server. */
export interface SnapshotsParts {
  readonly routes: readonly ShownRoute[];
  readonly clock: Clock;
  readonly cluster: (() => ClusterStats) | undefined;
}

interface MeteredEntry {
  readonly route: ShownRoute;
  readonly meter: RouteMeter;
}

interface Caller {
  readonly top: number;
  readonly resolve: (snapshot: Snapshot) => void;
  readonly reject: (error: unknown) => void;
}

/** Throws `BAD_OPTION`. */
export function readTop(options: SnapshotOptions): number {
  checkOptionsObject(options);
  checkNames({ options }, table);
  return readSettings<SnapshotOptions, typeof table>(table, { options }).top;
}

export class Snapshots {
  readonly #parts: SnapshotsParts;
  #meters: readonly MeteredEntry[] | undefined;
  #alarm: Timer | undefined;
  /** Calls that came during a scan, and share the next. */
  #callers: Caller[] = [];
  #isScanning = false;
  #hasStopped = false;

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  /** Scans the first slice at once, so that a small server needs no turn for a snapshot. */
  take(top: number): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      this.#callers.push({ top, resolve, reject });
      if (!this.#isScanning) void this.#answerCallers();
    });
  }

  /** The server has closed: later snapshots measure nothing. */
  stop(): void {
    this.#hasStopped = true;
    this.#stopMeters();
  }

  async #answerCallers(): Promise<void> {
    this.#isScanning = true;
    while (this.#callers.length > 0) {
      const callers = this.#callers;
      this.#callers = [];
      try {
        const snapshot = await this.#scan(callers.reduce((longest, { top }) => Math.max(longest, top), 0));
        for (const { top, resolve } of callers) resolve(cut(snapshot, top));
      } catch (error) {
        for (const { reject } of callers) reject(error);
      }
    }
    this.#isScanning = false;
  }

  async #scan(top: number): Promise<Snapshot> {
    const { clock, cluster } = this.#parts;
    const at = clock.now();
    const measured = this.#metersAt(at).map(({ route, meter }) => ({
      route,
      oldestMs: meter.oldestMs(at),
      reading: meter.read(at),
    }));
    const scan = new Scan(measured, top, at);
    let visited = 0;
    for (const _ of scan.steps()) if (++visited % SLICE === 0) await new Promise<void>((next) => clock.soon(next));
    const periodMs = measured[0]?.reading.periodMs ?? 0;
    return {
      at,
      tookMs: clock.now() - at,
      ...(periodMs > 0 && { periodMs }),
      routes: scan.routes,
      top: scan.top,
      rooms: scan.rooms,
      ...(cluster && { cluster: cluster() }),
    };
  }

  #metersAt(now: number): readonly MeteredEntry[] {
    const { clock, routes } = this.#parts;
    const meters = this.#meters ?? routes.map((route) => ({ route, meter: new RouteMeter(route, now) }));
    this.#meters = meters;
    this.#alarm?.cancel();
    if (this.#hasStopped) this.#stopMeters();
    else this.#alarm = clock.after(METERS_MS, () => this.#stopMeters());
    return meters;
  }

  #stopMeters(): void {
    this.#alarm?.cancel();
    for (const { meter } of this.#meters ?? []) meter.stop();
    this.#meters = undefined;
  }
}

/** A snapshot for a caller that wants shorter lists. */
function cut(snapshot: Snapshot, length: number): Snapshot {
  const { routes, top, rooms } = snapshot;
  return {
    ...snapshot,
    routes: routes.map((route) => ({ ...route, underWay: route.underWay.slice(0, length) })),
    top: {
      bytesWaiting: top.bytesWaiting.slice(0, length),
      eventsWaiting: top.eventsWaiting.slice(0, length),
      handlerMs: top.handlerMs.slice(0, length),
    },
    rooms: rooms.slice(0, length),
  };
}
