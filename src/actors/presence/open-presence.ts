/** Turns presence on for the bus of a route or a channel, if the option `presence` says so. The presence ends with the bus. */

import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import type { Member } from "../route/member.js";
import type { Registry } from "../route/registry.js";
import type { RunnerHost } from "../route/runner-host.js";
import { Presence } from "./presence.js";

/** @param host of the bus: with the remote bus and the encoding of the bus @param common the queue of the handler's events without a connection */
export function openPresence(host: RunnerHost, registry: Registry<Member>, common: ConnectionQueue): void {
  const { bus, clock, encode, mailbox, remoteBus, settings, turn } = host;
  if (settings.presence === false) return;
  const find = (id: string): Member | undefined => registry.byId.get(id);
  const nobody: LeakOwner = {
    clock,
    connection: undefined,
    isUncharged: true,
    leaked: (error, kind) => host.noted(error, kind),
  };
  const presence = new Presence({
    settings: settings.presence,
    clock,
    turn,
    remoteBus,
    encode,
    find,
    ownerOf: (id) => (id === undefined ? undefined : find(id)?.leakOwner) ?? nobody,
    hasMembers: (room) => registry.hasMembers(room),
    onUnfollowed: (room) => registry.onUnfollowed(room),
    deliver: (frame, room, exceptId) => bus.deliver(frame, [room], exceptId),
    post: (event) => mailbox.post(common, event),
    handlerHasRoom: () => common.size < settings.mailbox.maxInfo,
    failed: (error, what, connection) =>
      connection === undefined ? host.noted(error, what) : host.failed(error, what, connection),
  });
  bus.presence = presence;
  registry.watch(presence);
}
