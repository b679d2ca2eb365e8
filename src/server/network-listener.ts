/** The ways in from the network, for `serve` and `attach`: everything between an HTTP server and the gate. */

import { onlyAddress } from "../admission/address.js";
import type { Gate } from "../admission/upgrade-attempt.js";
import { type Attachment, attachTo, type HostServer } from "../http/attach.js";
import { type HttpListener, listen } from "../http/listen.js";
import { cutRefused } from "../http/refuse.js";
import { Requests } from "../http/requests.js";
import { serveStatic } from "../http/static.js";
import { createUpgrade, type HandOver, type UpgradeListener } from "../http/upgrade.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { optionOwner, ownedBy } from "../runtime/unhandled-rejections.js";
import { SockJsRouter } from "../sockjs/router.js";
import { WebSocketTransport } from "../transport/websocket.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";
import type { Surroundings } from "./surroundings.js";

/** What an entrance from the network is made for. */
interface Making {
  readonly settings: ServerSettings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly actor: ServerActor;
  /** Our side of every socket, if it is known beforehand. */
  readonly localAddress?: string | undefined;
  /** Others listen for upgrades of the same server. */
  readonly isShared: boolean;
}

interface Http {
  readonly upgrade: UpgradeListener;
  readonly requests: Requests;
  /** `undefined` if no route speaks it. */
  readonly sockjs: SockJsRouter | undefined;
}

/** Everything between an HTTP server and the gate, for `serve` and `attach`. */
function createHttp({ settings, log, clock, actor, localAddress, isShared }: Making, gate: Gate): Http {
  const { routes, onRequest, onAccess, trustProxy } = settings;
  const sockjs = SockJsRouter.create({ routes, gate, clock, log, trustProxy, parent: actor });
  const transport = new WebSocketTransport();
  const handOver: HandOver = (request, socket, head, admission) => transport.upgrade(request, socket, head, admission);
  const upgrade = createUpgrade({ gate, clock, log, handOver, sockjs, localAddress, isShared });
  const pages = settings.static === undefined ? undefined : serveStatic(settings.static, clock);
  const requests = new Requests({
    clock,
    log,
    trustProxy,
    sockjs,
    static: pages,
    onRequest: onRequest && ownedBy(optionOwner("onRequest", clock, log), onRequest),
    onAccess: onAccess && ownedBy(optionOwner("onAccess", clock, log), onAccess),
    hasRoute: (path) => gate.hasRoute(path),
  });
  return { upgrade, requests, sockjs };
}

/** The entrance of `serve`: one port for pages and WebSockets. */
export const createNetworkListener: Surroundings["createListener"] = (settings, log, clock, actor): Listener => {
  let listener: HttpListener | undefined;
  let made: Http | undefined;
  return {
    get address() {
      return listener?.address ?? { host: settings.host, port: settings.port, isSecure: settings.tls !== undefined };
    },
    async open(gate) {
      const localAddress = onlyAddress(settings.host);
      const http = createHttp({ settings, log, clock, actor, localAddress, isShared: false }, gate);
      made = http;
      const { requests, upgrade } = http;
      listener = await listen(settings, {
        upgrade,
        request: requests.listener,
        refused: (refusal, socket) => requests.refused(refusal, socket),
        turns: requests.turns,
        clock,
        log,
      });
    },
    close: async () => {
      made?.sockjs?.terminateHandshakes();
      await listener?.close();
    },
    detach() {
      made?.sockjs?.stop();
      cutRefused(clock);
      listener?.cut();
    },
    middleware: (request, response, next) => made?.requests.middleware(request, response, next),
  };
};

/** The entrance of `attach`: the upgrades of a host, and our plain HTTP where the host mounts it. */
export function createAttachedListener(host: HostServer): Surroundings["createListener"] {
  return (settings, log, clock, actor) => {
    let attachment: Attachment | undefined;
    let made: Http | undefined;
    return {
      get address() {
        return attachment?.address ?? { host: "", port: 0, isSecure: false };
      },
      async open(gate) {
        const http = createHttp({ settings, log, clock, actor, isShared: true }, gate);
        made = http;
        attachment = attachTo(host, {
          upgrade: http.upgrade,
          isOurs: (path) => gate.takes(path) || http.sockjs?.takesUpgrade(path) === true,
          turns: http.requests.turns,
          clock,
          log,
        });
      },
      // Until the server has come to rest, upgrades are answered that it is closing.
      close: async () => {
        made?.sockjs?.terminateHandshakes();
        attachment?.retire();
      },
      detach() {
        made?.sockjs?.stop();
        cutRefused(clock);
        attachment?.close();
      },
      middleware: (request, response, next) =>
        made === undefined ? next() : made.requests.middleware(request, response, next),
    };
  };
}
