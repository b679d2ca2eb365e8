/** The ways in from the network, for `serve` and `attach`: everything between an HTTP server and the gate. */
import type { Clock } from "../clock.js";
import type { Entrance, Gate, Logger } from "../contracts.js";
import { onlyAddress } from "../http/address.js";
import { type Attachment, attachTo, type HostServer } from "../http/attach.js";
import { type Listener, listen } from "../http/listen.js";
import { Requests } from "../http/requests.js";
import { serveStatic } from "../http/static.js";
import { createUpgrade, type HandOver, type UpgradeListener } from "../http/upgrade.js";
import type { ServerSettings } from "../settings.js";
import { WebSocketTransport } from "../transport/websocket.js";
import type { Surroundings } from "./live.js";

/** What the way in stands in. */
interface Ground {
  readonly clock: Clock;
  readonly log: Logger;
  /** Our side of every socket, if it is known beforehand. */
  readonly localAddress?: string | undefined;
}

/** Everything between an HTTP server and the gate, for `serve` and `attach`. */
function createHttp(
  settings: ServerSettings,
  gate: Gate,
  { clock, log, localAddress }: Ground,
): { upgrade: UpgradeListener; requests: Requests } {
  const transport = new WebSocketTransport({ closeTimeoutMs: settings.closeTimeoutMs });
  const handOver: HandOver = (request, socket, head, admission) => transport.upgrade(request, socket, head, admission);
  const upgrade = createUpgrade(gate, clock, handOver, localAddress);
  const pages = settings.static === undefined ? undefined : serveStatic(settings.static);
  const { onRequest, onAccess, trustProxy } = settings;
  const requests = new Requests({
    clock,
    log,
    trustProxy,
    static: pages,
    onRequest,
    onAccess,
    hasRoute: (path) => gate.hasRoute(path),
  });
  return { upgrade, requests };
}

/** The entrance of `serve`: one port for pages and WebSockets. */
export function createNetworkEntrance(settings: ServerSettings, log: Logger, clock: Clock): Entrance {
  let listener: Listener | undefined;
  let requests: Requests | undefined;
  return {
    get address() {
      return listener?.address ?? { host: settings.host, port: settings.port, isSecure: settings.tls !== undefined };
    },
    async open(gate) {
      const http = createHttp(settings, gate, { clock, log, localAddress: onlyAddress(settings.host) });
      requests = http.requests;
      const { listener: request } = http.requests;
      const refused = http.requests.refused.bind(http.requests);
      listener = await listen(settings, { upgrade: http.upgrade, request, refused, clock, log });
    },
    close: async () => listener?.close(),
    middleware: (request, response, next) => requests?.middleware(request, response, next),
  };
}

/** The entrance of `attach`: the upgrades of a host, and our plain HTTP where the host mounts it. */
export function createAttachedEntrance(host: HostServer): Surroundings["createEntrance"] {
  return (settings, log, clock) => {
    let attachment: Attachment | undefined;
    let requests: Requests | undefined;
    return {
      get address() {
        return attachment?.address ?? { host: "", port: 0, isSecure: false };
      },
      async open(gate) {
        const http = createHttp(settings, gate, { clock, log });
        requests = http.requests;
        attachment = attachTo(host, http.upgrade, (path) => gate.takes(path));
      },
      // Until the server has come to rest, upgrades are answered that it is closing.
      close: async () => {},
      detach: () => attachment?.close(),
      middleware: (request, response, next) =>
        requests === undefined ? next() : requests.middleware(request, response, next),
    };
  };
}
