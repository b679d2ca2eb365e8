/** Merges what the nodes know of a key. Every node merges alike, so that all nodes come to the same result. */
import type { PresenceEntry } from "../../cluster/presence/shared-presence.js";

export interface NodeEntry {
  readonly node: string;
  readonly entry: PresenceEntry;
}

/** @returns `undefined` without an entry */
export function mergeEntries(entries: readonly NodeEntry[]): PresenceEntry | undefined {
  const [first, ...others] = entries;
  if (first === undefined || others.length === 0) return first?.entry;
  const latest = others.reduce((best, other) => (isLater(other, best) ? other : best), first).entry;
  const present = entries.filter(({ entry }) => entry.connections > 0);
  return {
    ...latest,
    since: Math.min(...entries.map(({ entry }) => entry.since)),
    connections: present.reduce((sum, { entry }) => sum + entry.connections, 0),
    away: present.length > 0 && present.every(({ entry }) => entry.away),
  };
}

/**
 * Whether the info of `a` counts rather than the info of `b`: first what connections show and not a key in grace, then what was shown and not
 * the answer of `presence.info`, then what was shown later.
 */
function isLater(a: NodeEntry, b: NodeEntry): boolean {
  const [isPresent, wasPresent] = [a.entry.connections > 0, b.entry.connections > 0];
  if (isPresent !== wasPresent) return isPresent;
  if (a.entry.isShown !== b.entry.isShown) return a.entry.isShown;
  return a.entry.infoAt > b.entry.infoAt || (a.entry.infoAt === b.entry.infoAt && a.node > b.node);
}
