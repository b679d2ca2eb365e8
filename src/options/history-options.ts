/** Checks of the option `history` that concern several options or routes at once. */
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import type { HistoryLimits, HistoryStore } from "../api/history-store.js";
import { refuseOption } from "./read-options.js";
import type { RouteDefinition, ServerSettings } from "./server-options.js";

const LIMITS: readonly (keyof HistoryLimits)[] = ["maxMessages", "maxBytes", "maxAgeMs", "maxRooms"];

/** Throws `BAD_OPTION` for history in a cluster, and for routes that share a store without sharing the limits. */
export function checkHistories(routes: readonly RouteDefinition[], { cluster }: Pick<ServerSettings, "cluster">): void {
  const limitsOf = new Map<object, { readonly limits: HistoryLimits; readonly at: string }>();
  for (const { path, settings } of routes) {
    const { history } = settings;
    if (history === false) continue;
    const at = path === undefined ? "" : `routes["${path}"].`;
    if (cluster !== undefined) checkOrder(`${at}history.store`, history.store, cluster);
    if (history.store === undefined) continue;
    const first = limitsOf.get(history.store) ?? { limits: history, at };
    limitsOf.set(history.store, first);
    for (const name of LIMITS)
      if (history[name] !== first.limits[name])
        refuseOption(
          `${at}history.${name}`,
          `expected ${first.limits[name]}, as ${first.at}history has with the same store, got ${history[name]}`,
        );
  }
}

/** In a cluster something has to put the messages of all nodes into one order. */
function checkOrder(name: string, store: HistoryStore | undefined, cluster: ClusterAdapter): void {
  if (store?.subscribe !== undefined) return;
  const ways = "redisHistory({ url }) of sendall/redis or jetstream({ servers }) of sendall/nats";
  if (store !== undefined)
    refuseOption(
      name,
      `expected a store that several nodes share, as cluster needs: ${ways}; got ${store.name ?? "another"}`,
    );
  if (cluster.isOrdered !== true)
    refuseOption(
      name,
      `expected a store, since ${cluster.name} does not put the messages of all nodes into one order: ${ways}, or a cluster over redis(), workers() or, in tests, memory()`,
    );
}
