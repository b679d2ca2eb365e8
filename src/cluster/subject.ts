/**
 * The names of what nodes publish on. The relay makes them: one subject for each route (or channel within it), one for each room of
 * those, one for each node. An adapter puts its prefix before them.
 */
import { createHash } from "node:crypto";

/** Longer names are cut by engines, or refused: NATS takes 4,096 bytes for a whole line. */
const MAX_PART = 200;
/** Left as they are by `encodeURIComponent`, but with a meaning of their own in some engine. */
const RESERVED = /[.!~*'()]/g;
/** Half a character of two: it has no UTF-8. */
const BROKEN = /\p{Surrogate}/u;

/** A name of the user's as one part of a subject; different names give different parts. */
function part(name: string): string {
  const text = BROKEN.test(name)
    ? undefined
    : encodeURIComponent(name).replace(
        RESERVED,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );
  if (text !== undefined && text.length <= MAX_PART) return text;
  return `#${createHash("sha256").update(name, "utf16le").digest("base64url")}`;
}

/** Names one bus on all nodes: that of a route, or of a channel within a scope. */
export function scopeOf(path: string, within?: string): string {
  return within === undefined ? part(path) : `${within}.${part(path)}`;
}

/** Whether it is that of a route, and not of a channel within one. */
export function isScopeOfRoute(scope: string): boolean {
  return !scope.includes(".");
}

/** The subject of all members of a scope, or of a room of it. */
export function subjectOf(scope: string, room: string | undefined): string {
  return room === undefined ? `@all.${scope}` : `@room.${scope}.${part(room)}`;
}

/** The subject of one node. */
export function subjectOfNode(node: string): string {
  return `@node.${node}`;
}

/** What every prefix of an adapter has to be; the `@` of our subjects keeps one prefix out of another's. */
export const PREFIX: RegExp = /^[\w-]+(\.[\w-]+)*$/;
