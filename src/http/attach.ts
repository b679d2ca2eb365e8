/**
 * Attachment to a host, an HTTP server of the program: takes the upgrades for our routes. The host keeps running its own routes and other
 * upgrades. Several servers of this package may share a host. An attachment ends with `detach`.
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { readPath } from "../admission/request-head.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { declineUpgradesWithBody, namesWebSocket, replayRequest } from "./ignored-upgrade.js";
import type { Address } from "./listen.js";
import { afterResponses, type Pipelines } from "./pipelining.js";
import { ignoreError } from "./refuse.js";
import { isTaken, logTaken, writtenTo } from "./shared-socket.js";
import type { UpgradeListener } from "./upgrade.js";

/** What `attach` needs of a host: the `Server` of `node:http` or `node:https`, or any server that emits upgrades the same way. */
export interface HostServer {
  /** Registers a listener that is called for each upgrade. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Undoes `on`. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** Takes back a request whose `Upgrade` does not name WebSocket: as a new connection with a plain request. */
  emit(event: string, socket: Duplex): boolean;
  /** The listeners for upgrades: an upgrade without a route is left to other listeners. */
  listeners(event: "upgrade"): readonly unknown[];
  /** Where the host listens, for `server.port` and `server.url`. */
  address(): AddressInfo | string | null;
}

export interface Attachment {
  readonly address: Address;
  /** From now on leaves upgrades to an open attached server with the same path, if there is one. The gate refuses the rest. */
  beginClosing(): void;
  /** Unregisters from the host: takes no upgrades any more. */
  detach(): void;
}

export interface AttachParts {
  readonly upgrade: UpgradeListener;
  /** Whether a route has this path. */
  readonly hasPath: (path: string) => boolean;
  readonly pipelines: Pipelines;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What attached servers on the same host know about each other. */
interface AttachedServer {
  /** Whether a route has this path. */
  readonly hasPath: (path: string) => boolean;
  isClosing: boolean;
}

/** The property with the {@link AttachedServer} of an upgrade listener. Foreign listeners lack the property. */
const SERVER = Symbol("server");

/** Marks a request as taken by an attached server. The symbol is global, since a second copy of the package may share the host. */
const CLAIMED = Symbol.for("sendall.claimed");

/** @returns `false` if another server was first */
function claim(request: IncomingMessage): boolean {
  if (Reflect.has(request, CLAIMED)) return false;
  return Reflect.set(request, CLAIMED, true);
}

export function attachTo(host: HostServer, parts: AttachParts): Attachment {
  const own: AttachedServer = { hasPath: parts.hasPath, isClosing: false };
  const onUpgrade: UpgradeListener = (request, socket, head) => {
    parts.pipelines.releaseSocket(socket);
    const path = readPath(request.url ?? "/");
    const listeners = host.listeners("upgrade");
    const servers = listeners.map(serverOf);
    const hasForeignListener = servers.includes(undefined);
    const takers = servers.filter((server) => server?.hasPath(path));
    // An upgrade without a taker would stay open forever: the first attached server refuses such an upgrade.
    const isUnhandled = !hasForeignListener && listeners[0] === listener && takers.length === 0;
    const isLeftToOther = own.isClosing && takers.some((server) => server?.isClosing === false);
    const isOurs = own.hasPath(path) && !isLeftToOther;
    if (!isOurs && !isUnhandled) return;
    const upgrade = new HostUpgrade(request, socket, head);
    // Foreign listeners go first, whatever the order of registration: their access to a socket of ours would fail.
    if (hasForeignListener) parts.clock.soon(() => upgrade.take(host, parts));
    else upgrade.take(host, parts);
  };
  const listener = Object.assign(onUpgrade, { [SERVER]: own });
  raiseListenerLimit(host, 1);
  host.on("upgrade", listener);
  const undo = declineUpgradesWithBody(host, (request) => {
    const isOurs = own.hasPath(readPath(request.url ?? "/"));
    return !namesWebSocket(request) && (isOurs || !host.listeners("upgrade").map(serverOf).includes(undefined));
  });
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
    beginClosing: () => {
      own.isClosing = true;
    },
    detach: () => {
      undo();
      host.off("upgrade", listener);
      raiseListenerLimit(host, -1);
    },
  };
}

/** Raises the limit above which Node warns of a listener leak (10 by default), since the attached listener is no leak. */
function raiseListenerLimit(host: HostServer, by: number): void {
  if (!(host instanceof EventEmitter)) return;
  const limit = host.getMaxListeners();
  // 0 is no limit.
  if (limit > 0) host.setMaxListeners(limit + by);
}

/** An upgrade of the host, until we take the socket or find the socket taken by another listener. */
class HostUpgrade {
  readonly #request: IncomingMessage;
  readonly #socket: Duplex;
  readonly #head: Buffer;
  readonly #written: unknown;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.#request = request;
    this.#socket = socket;
    this.#head = head;
    this.#written = writtenTo(socket);
    socket.on("error", ignoreError);
  }

  take(host: HostServer, parts: AttachParts): void {
    const socket = this.#socket;
    if (isTaken(socket, this.#written) || !claim(this.#request)) {
      socket.off("error", ignoreError);
      // For an ignored upgrade there is nothing to log: another attached server may have replayed the request.
      if (namesWebSocket(this.#request)) logTaken(parts.log, this.#request);
      return;
    }
    afterResponses(this.#request.socket, () => {
      this.#upgrade(host, parts);
      socket.off("error", ignoreError);
    });
  }

  #upgrade(host: HostServer, { upgrade }: AttachParts): void {
    const request = this.#request;
    // Without a replay, the request is refused as an upgrade.
    if (namesWebSocket(request) || !replayRequest(host, request, this.#socket, this.#head))
      upgrade(request, this.#socket, this.#head);
  }
}

function serverOf(listener: unknown): AttachedServer | undefined {
  return typeof listener === "function" && SERVER in listener ? (listener[SERVER] as AttachedServer) : undefined;
}
