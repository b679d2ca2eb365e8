/**
 * The series: which number of `stats()` has which name, and what the name means. Sums that routes keep anyway, never a walk over
 * connections: a scrape costs O(routes).
 */
import type { RefusedCount, Stats } from "../api/stats.js";
import type { Family, Sample } from "./family.js";

/** What the numbers are read from; a `Server` is such a source. */
export interface StatsSource {
  /** The paths of the routes, as given: the label `route`. */
  readonly paths: readonly string[];
  /** The numbers of every route together. */
  stats(): Stats;
  /** A route by one of `paths`. */
  route(path: string): { stats(): Stats };
}

/** A number, or several numbers with a further label. */
type Reading = number | readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

interface Series {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly read: (stats: Stats) => Reading;
}

function counter(name: string, help: string, read: Series["read"]): Series {
  return { name: `sendall_${name}_total`, help, type: "counter", read };
}

function gauge(name: string, help: string, read: Series["read"]): Series {
  return { name: `sendall_${name}`, help, type: "gauge", read };
}

const REFUSED = "sendall_refused_total";

// Prometheus takes no first number for an increase, so what alerts watch begins at 0: a first burst is seen as well.
const USUAL_ENDINGS: Stats["closedBy"] = [
  { code: 1000, by: "peer", count: 0 },
  { code: 1001, by: "peer", count: 0 },
  { code: 1006, by: "lost", count: 0 },
  { code: 1011, by: "server", count: 0 },
  { code: 1013, by: "server", count: 0 },
];
const USUAL_REFUSALS: readonly RefusedCount[] = [{ status: 503, count: 0 }];
const USUAL_UNROUTED: readonly RefusedCount[] = [{ status: 404, count: 0 }];

const ROUTE_SERIES: readonly Series[] = [
  gauge("connections", "Open connections, including those that are away.", (s) => s.connections),
  gauge("away", "Connections that have lost their socket and may come back.", (s) => s.away),
  gauge("paused", "Connections whose socket is paused because of a full mailbox.", (s) => s.paused),
  gauge("rooms", "Rooms with at least one member.", (s) => s.rooms),
  counter("opened", "Connections opened.", (s) => s.opened),
  counter("closed", "Connections ended, by close code and by the side that ended them.", (s) => endings(s.closedBy)),
  counter("refused", 'Upgrades refused, by HTTP status; route="" for upgrades that reached no route.', (s) =>
    refusals(s.refusedBy, USUAL_REFUSALS),
  ),
  counter("received_messages", "Messages taken from sockets.", (s) => s.received.messages),
  counter("received_bytes", "Bytes of the messages taken from sockets.", (s) => s.received.bytes),
  counter("sent_messages", "Messages handed to sockets, counted per recipient.", (s) => s.sent.messages),
  counter("sent_bytes", "Bytes of the messages handed to sockets.", (s) => s.sent.bytes),
  counter("sent_frames", "Frames encoded, a single frame per message.", (s) => s.sent.frames),
  counter("socket_writes", "Writes to sockets that carried messages.", (s) => s.sent.writes),
  counter("dropped", "Messages that peers did not get, by the policy that dropped them.", ({ droppedBy }) =>
    Object.entries(droppedBy).map(([policy, count]) => [{ policy }, count]),
  ),
  counter("dead_letters", "Messages to connections that had gone.", (s) => s.deadLetters),
  counter("slow_consumers", "How often a connection became a slow consumer.", (s) => s.slowConsumers),
  counter("handler_failures", "Failures of the handler.", (s) => s.handlerFailures),
  counter("invalid", "Messages that the protocol of the handler does not know or refuses.", (s) => s.invalid),
  counter("over_budget", "How often a connection was over its budget.", (s) => s.overBudget),
  gauge("resting", "Connections that rest until their budget has tokens.", (s) => s.resting),
  gauge("resting_events", "Messages that wait for tokens of a budget.", (s) => s.restingEvents),
  gauge("mailbox_events", "Events that wait for the handler.", (s) => s.mailboxEvents),
  gauge("outbox_bytes", "Bytes that wait for peers.", (s) => s.outboxBytes),
  counter("sessions", "Sessions taken up again without a gap, with a gap, and expired.", (s) => [
    [{ outcome: "resumed" }, s.resumed - s.gaps],
    [{ outcome: "gap" }, s.gaps],
    [{ outcome: "expired" }, s.expired],
  ]),
  gauge("kept_bytes", "Bytes that sessions keep until their peers acknowledge.", (s) => s.keptBytes),
  counter("history", "Messages that the store of the history has taken, or has not taken or lost.", (s) => [
    [{ outcome: "kept" }, s.kept],
    [{ outcome: "unkept" }, s.unkept],
  ]),
];

/** The families of a server and its routes, with the numbers of now. */
export function readSeries(source: StatsSource): Family[] {
  const routes = source.paths.map((path) => ({ path, stats: source.route(path).stats() }));
  const whole = source.stats();
  const unrouted = unroutedRefusals(
    whole.refusedBy,
    routes.flatMap(({ stats }) => stats.refusedBy),
  );
  const families = ROUTE_SERIES.map(({ name, help, type, read }): Family => {
    const samples = routes.flatMap(({ path, stats }) => toSamples(path, read(stats)));
    if (name === REFUSED) samples.push(...toSamples("", refusals(unrouted, USUAL_UNROUTED)));
    return { name, help, type, merge: "sum", samples };
  });
  return [...families, ...clusterFamilies(whole)];
}

function toSamples(route: string, reading: Reading): Sample[] {
  if (typeof reading === "number") return [{ suffix: "", labels: { route }, value: reading }];
  return reading.map(([labels, value]) => ({ suffix: "", labels: { route, ...labels }, value }));
}

function refusals(counts: readonly RefusedCount[], usual: readonly RefusedCount[]): Reading {
  const others = usual.filter(({ status }) => counts.every((one) => one.status !== status));
  return [...counts, ...others].map(({ status, count }) => [{ status: String(status) }, count]);
}

function endings(counts: Stats["closedBy"]): Reading {
  const others = USUAL_ENDINGS.filter(({ code, by }) => counts.every((one) => one.code !== code || one.by !== by));
  return [...counts, ...others].map(({ code, by, count }) => [{ code: String(code), by }, count]);
}

/** What the server counts beyond its routes. */
function unroutedRefusals(whole: readonly RefusedCount[], routed: readonly RefusedCount[]): RefusedCount[] {
  const rest = new Map(whole.map(({ status, count }) => [status, count]));
  for (const { status, count } of routed) rest.set(status, (rest.get(status) ?? 0) - count);
  return Array.from(rest, ([status, count]) => ({ status, count })).filter(({ count }) => count > 0);
}

function clusterFamilies({ cluster }: Stats): Family[] {
  if (cluster === undefined) return [];
  const only = (value: number): Sample[] => [{ suffix: "", labels: {}, value }];
  return [
    {
      name: "sendall_cluster_up",
      help: "1 while the link to the other nodes is up, else 0.",
      type: "gauge",
      merge: "min",
      samples: only(cluster.link === "up" ? 1 : 0),
    },
    {
      name: "sendall_cluster_lost_total",
      help: "Messages between nodes that did not arrive.",
      type: "counter",
      merge: "sum",
      samples: only(cluster.lost),
    },
  ];
}
