/**
 * The network listeners of `serve` and `attach`, with everything between an HTTP server and the gate. A listener ends with
 * `detach`.
 */

import { createAccessLog } from "../admission/access-log.js";
import { fixedLocalAddress } from "../admission/address.js";
import type { Gate } from "../admission/gate.js";
import { type Attachment, attachTo, type HostServer } from "../http/attach.js";
import { ClientModules } from "../http/client-modules.js";
import { type HttpListener, listen } from "../http/listen.js";
import { terminateRefused } from "../http/refuse.js";
import { Requests } from "../http/requests.js";
import { serveStatic } from "../http/static.js";
import { createUpgrades, type HandOver, type Upgrades } from "../http/upgrade.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { optionOwner, ownedBy } from "../runtime/unhandled-rejections.js";
import { SockJsRouter } from "../sockjs/router.js";
import { WebSocketTransport } from "../transport/websocket.js";
import type { ServerEnvironment } from "./environment.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";

/** The parts of an HTTP stack. */
interface HttpStackParts {
  readonly settings: ServerSettings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly actor: ServerActor;
  /** Our side of every socket, if known beforehand. */
  readonly localAddress?: string | undefined;
  /** Whether other code listens for upgrades of the same HTTP server. */
  readonly isShared: boolean;
}

interface HttpStack {
  readonly upgrades: Upgrades;
  readonly requests: Requests;
  /** `undefined` if no route speaks SockJS. */
  readonly sockjs: SockJsRouter | undefined;
}

/** Creates everything between an HTTP server and the gate. */
async function createHttpStack(
  { settings, log, clock, actor, localAddress, isShared }: HttpStackParts,
  gate: Gate,
): Promise<HttpStack> {
  const { routes, onRequest, onAccess, trustProxy } = settings;
  const client = settings.client === undefined ? undefined : await ClientModules.load(settings.client);
  const sockjs = SockJsRouter.create({ routes, gate, clock, log, trustProxy, parent: actor });
  const transport = new WebSocketTransport();
  const handOver: HandOver = (request, socket, head, admission) => transport.upgrade(request, socket, head, admission);
  const upgrades = createUpgrades({ gate, clock, log, handOver, sockjs, localAddress, isShared });
  const pages = settings.static === undefined ? undefined : serveStatic(settings.static, clock);
  const requests = new Requests({
    clock,
    log,
    trustProxy,
    client,
    sockjs,
    static: pages,
    onRequest: onRequest && ownedBy(optionOwner("onRequest", clock, log), onRequest),
    accessLog: createAccessLog(onAccess, clock, log),
    hasRoute: (path) => gate.hasRoute(path),
  });
  return { upgrades, requests, sockjs };
}

/** The listener of `serve`: a single port for pages and WebSockets. */
export const createNetworkListener: ServerEnvironment["createListener"] = (settings, log, clock, actor): Listener => {
  let listener: HttpListener | undefined;
  let stack: HttpStack | undefined;
  return {
    get address() {
      return listener?.address ?? { host: settings.host, port: settings.port, isSecure: settings.tls !== undefined };
    },
    async open(gate) {
      const localAddress = fixedLocalAddress(settings.host);
      const http = await createHttpStack({ settings, log, clock, actor, localAddress, isShared: false }, gate);
      stack = http;
      const { requests, upgrades } = http;
      listener = await listen(settings, {
        upgrades,
        request: requests.listener,
        onRefused: (refusal, socket) => requests.onRefused(refusal, socket),
        pipelines: requests.pipelines,
        clock,
        log,
      });
    },
    close: async () => {
      stack?.sockjs?.terminateHandshakes();
      await listener?.close();
    },
    detach() {
      stack?.sockjs?.stop();
      terminateRefused(clock);
      listener?.terminateConnections();
    },
    middleware: (request, response, next) => stack?.requests.middleware(request, response, next),
  };
};

/** The listener of `attach`: the upgrades of a host, and our plain HTTP if mounted by the host. */
export function createAttachedListener(host: HostServer): ServerEnvironment["createListener"] {
  return (settings, log, clock, actor) => {
    let attachment: Attachment | undefined;
    let stack: HttpStack | undefined;
    return {
      get address() {
        return attachment?.address ?? { host: "", port: 0, isSecure: false };
      },
      async open(gate) {
        const http = await createHttpStack({ settings, log, clock, actor, isShared: true }, gate);
        stack = http;
        attachment = attachTo(host, {
          upgrade: http.upgrades.onUpgrade,
          hasPath: (path) => gate.takes(path) || http.sockjs?.takesUpgrade(path) === true,
          pipelines: http.requests.pipelines,
          clock,
          log,
        });
      },
      // Until the server has stopped, upgrades are refused with the reason "the server is closing".
      close: async () => {
        stack?.sockjs?.terminateHandshakes();
        attachment?.beginClosing();
      },
      detach() {
        stack?.sockjs?.stop();
        terminateRefused(clock);
        attachment?.detach();
      },
      middleware: (request, response, next) =>
        stack === undefined ? next() : stack.requests.middleware(request, response, next),
    };
  };
}
