/**
 * Histograms of a server's routes: how long events wait for the handler, and how long the handler takes. A server has one `Histograms`, made
 * when somebody first asks; the meters are registered until the server has closed.
 */
import type { ConnectionQueue } from "../actors/route/connection-queue.js";
import { isDispatched, type MeteredRoute } from "../actors/route/metered-routes.js";
import type { EventMeter } from "../actors/route/metering.js";
import type { Family, Sample } from "./family.js";

/** Upper bounds in seconds: from what no person notices to the default of `handlerTimeoutMs`. */
const BOUNDS: readonly number[] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

class Histogram {
  /** Observations by bucket; those above every bound are in `#count` alone. */
  readonly #counts: number[] = BOUNDS.map(() => 0);
  #count = 0;
  #sum = 0;

  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    for (let i = 0; i < BOUNDS.length; i++)
      if (seconds <= (BOUNDS[i] ?? 0)) {
        this.#counts[i] = (this.#counts[i] ?? 0) + 1;
        return;
      }
  }

  /** Buckets are cumulative, as Prometheus wants. */
  samples(route: string): Sample[] {
    let below = 0;
    const buckets = BOUNDS.map((bound, i): Sample => {
      below += this.#counts[i] ?? 0;
      return { suffix: "_bucket", labels: { route, le: String(bound) }, value: below };
    });
    return [
      ...buckets,
      { suffix: "_bucket", labels: { route, le: "+Inf" }, value: this.#count },
      { suffix: "_sum", labels: { route }, value: this.#sum },
      { suffix: "_count", labels: { route }, value: this.#count },
    ];
  }
}

class RouteMeter implements EventMeter {
  readonly wait = new Histogram();
  readonly handler = new Histogram();
  readonly #route: MeteredRoute;

  constructor(route: MeteredRoute) {
    this.#route = route;
  }

  began(_event: unknown, _queue: unknown, waitedMs: number | undefined): void {
    if (waitedMs !== undefined) this.wait.observe(waitedMs / 1_000);
  }

  ended(_event: unknown, queue: ConnectionQueue, busyMs: number): void {
    if (!isDispatched(queue, this.#route)) this.handler.observe(busyMs / 1_000);
  }
}

export class Histograms {
  readonly #meters: readonly { readonly path: string; readonly meter: RouteMeter }[];

  /** @param closed the measuring stops when the server has closed; the numbers stay */
  constructor(routes: readonly MeteredRoute[], closed: Promise<unknown>) {
    const started = routes.map((route) => {
      const meter = new RouteMeter(route);
      return { path: route.path, meter, unregister: route.metering.register(meter) };
    });
    this.#meters = started;
    void closed.then(() => {
      for (const { unregister } of started) unregister();
    });
  }

  families(): Family[] {
    return [
      this.#family("sendall_mailbox_wait_seconds", "How long events wait for the handler.", (meter) => meter.wait),
      this.#family("sendall_handler_seconds", "How long the handler takes for an event.", (meter) => meter.handler),
    ];
  }

  #family(name: string, help: string, histogramOf: (meter: RouteMeter) => Histogram): Family {
    const samples = this.#meters.flatMap(({ path, meter }) => histogramOf(meter).samples(path));
    return { name, help, type: "histogram", merge: "sum", samples };
  }
}
