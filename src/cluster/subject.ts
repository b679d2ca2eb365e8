/**
 * The names of what nodes publish on. Each route, each channel, each room within a route or channel, and each node has a subject of its
 * own. The relay makes subjects; an adapter puts a prefix in front.
 */
import { createHash } from "node:crypto";

/** Engines cut or refuse long names: NATS takes 4,096 bytes for a whole line. */
const MAX_TOKEN_LENGTH = 200;
/** Characters which `encodeURIComponent` keeps, but which mean something to some engine. */
const RESERVED = /[.!~*'()]/g;
/** Has no UTF-8, so that `encodeURIComponent` throws. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Turns a name given by the user into a part of a subject; different names give different parts. */
function tokenOf(name: string): string {
  const text = LONE_SURROGATE.test(name)
    ? undefined
    : encodeURIComponent(name).replace(
        RESERVED,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );
  if (text !== undefined && text.length <= MAX_TOKEN_LENGTH) return text;
  return `#${createHash("sha256").update(name, "utf16le").digest("base64url")}`;
}

/** Names a bus across the nodes: the bus of a route, or of a channel within the scope of a route. */
export function scopeOf(path: string, within?: string): string {
  return within === undefined ? tokenOf(path) : `${within}.${tokenOf(path)}`;
}

/** `false` for the scope of a channel. */
export function isScopeOfRoute(scope: string): boolean {
  return !scope.includes(".");
}

/** Names a room across the scopes. */
export function roomIn(scope: string, room: string): string {
  return `${scope}.${tokenOf(room)}`;
}

/** The subject of every member of a scope, or of a room within the scope. */
export function subjectOf(scope: string, room: string | undefined): string {
  return room === undefined ? `@all.${scope}` : `@room.${roomIn(scope, room)}`;
}

export function subjectOfNode(node: string): string {
  return `@node.${node}`;
}

/** The form of an adapter's prefix. Every subject begins with `@`, which no prefix contains, so that two prefixes never share a subject. */
export const PREFIX: RegExp = /^[\w-]+(\.[\w-]+)*$/;
