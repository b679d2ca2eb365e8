/** Upgrades on somebody else's HTTP server: `attach`. The host keeps its own routes, other upgrades and its life. */
import { EventEmitter } from "node:events";
import type { AddressInfo } from "node:net";
import type { Address } from "../contracts.js";
import { readPath } from "../head.js";
import type { UpgradeListener } from "./upgrade.js";

/** What `attach` needs of a host: the `Server` of `node:http` or `node:https`, or another one that tells of upgrades as they do. */
export interface HostServer {
  /** Has the listener told of each upgrade. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Undoes `on`. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** Who is told of upgrades: an upgrade that no route takes is left to the others. */
  listeners(event: "upgrade"): readonly unknown[];
  /** Where it listens, for `server.port` and `server.url`. */
  address(): AddressInfo | string | null;
}

export interface Attachment {
  readonly address: Address;
  /** Takes no upgrades any more. */
  close(): void;
}

/** Whether a route of the server behind this listener has the path; no other listener has it. */
const TAKES = Symbol("takes");

/** @param isOurs whether a route has this path */
export function attachTo(host: HostServer, upgrade: UpgradeListener, isOurs: (path: string) => boolean): Attachment {
  const onUpgrade: UpgradeListener = (request, socket, head) => {
    const path = readPath(request.url ?? "/");
    // Node leaves an upgrade that nobody takes hanging once there is a listener: then it is for us to turn it down.
    if (isOurs(path) || isNobodys(path, host, listener)) upgrade(request, socket, head);
  };
  const listener = Object.assign(onUpgrade, { [TAKES]: isOurs });
  allow(host, 1);
  host.on("upgrade", listener);
  return {
    get address() {
      const bound = host.address();
      const isBound = typeof bound === "object" && bound !== null;
      return {
        host: isBound ? bound.address : "",
        port: isBound ? bound.port : 0,
        isSecure: "setSecureContext" in host,
      };
    },
    close: () => {
      host.off("upgrade", listener);
      allow(host, -1);
    },
  };
}

/** Ours is no listener that somebody has forgotten to remove, of which Node warns at the eleventh. */
function allow(host: HostServer, more: number): void {
  if (!(host instanceof EventEmitter)) return;
  const limit = host.getMaxListeners();
  // 0 is no limit.
  if (limit > 0) host.setMaxListeners(limit + more);
}

/** Whether this listener has to turn it down: all are of servers like ours, none of them has the path, and this is the first. */
function isNobodys(path: string, host: HostServer, listener: UpgradeListener): boolean {
  const listeners = host.listeners("upgrade");
  return listeners[0] === listener && listeners.every((other) => leaves(other, path));
}

function leaves(listener: unknown, path: string): boolean {
  if (typeof listener !== "function" || !(TAKES in listener)) return false;
  return typeof listener[TAKES] === "function" && !listener[TAKES](path);
}
