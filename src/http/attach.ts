/** Upgrades on somebody else's HTTP server: `attach`. The host keeps its own routes, other upgrades and its life. */
import type { Server } from "node:http";
import type { Address } from "../contracts.js";
import { readPath } from "../head.js";
import { ignoreError, refuseSocket } from "./refuse.js";
import type { UpgradeListener } from "./upgrade.js";

/** What `attach` needs of a host: the `Server` of `node:http` or `node:https`. */
export type HostServer = Pick<Server, "on" | "off" | "listenerCount" | "address">;

export interface Attachment {
  readonly address: Address;
  /** Takes no upgrades any more. */
  close(): void;
}

/** @param isOurs whether a route has this path */
export function attachTo(host: HostServer, upgrade: UpgradeListener, isOurs: (path: string) => boolean): Attachment {
  const listener: UpgradeListener = (request, socket, head) => {
    const path = readPath(request.url ?? "/");
    if (isOurs(path)) upgrade(request, socket, head);
    else if (host.listenerCount("upgrade") === 1) {
      // Node leaves an upgrade that nobody takes hanging once there is a listener.
      socket.on("error", ignoreError);
      refuseSocket(socket, { status: 404, body: `there is no route ${path}` });
    }
  };
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
    },
  };
}
