/** Upgrades on somebody else's HTTP server: `attach`. The host keeps its own routes, other upgrades and its life. */
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { readPath } from "../admission/request-head.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Address } from "./listen.js";
import { replayRequest, declineUpgradesWithBody, namesWebSocket } from "./ignored-upgrade.js";
import { ignoreError } from "./refuse.js";
import { afterResponses, type Pipelines } from "./pipelining.js";
import { isTaken, logTaken, type UpgradeListener, writtenTo } from "./upgrade.js";

/** What `attach` needs of a host: the `Server` of `node:http` or `node:https`, or another one that tells of upgrades as they do. */
export interface HostServer {
  /** Has the listener told of each upgrade. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Undoes `on`. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** Takes a request back whose `Upgrade` names no WebSocket: as a new connection, which brings it as an ordinary one. */
  emit(event: string, socket: Duplex): boolean;
  /** Who is told of upgrades: an upgrade that no route takes is left to the others. */
  listeners(event: "upgrade"): readonly unknown[];
  /** Where it listens, for `server.port` and `server.url`. */
  address(): AddressInfo | string | null;
}

export interface Attachment {
  readonly address: Address;
  /** The server is closing: upgrades go to another one on the same host that has the path, or are told so. */
  beginClosing(): void;
  /** Takes no upgrades any more. */
  detach(): void;
}

/** What `attach` makes of a host's upgrades. */
export interface AttachParts {
  readonly upgrade: UpgradeListener;
  /** Whether a route has this path. */
  readonly hasPath: (path: string) => boolean;
  readonly pipelines: Pipelines;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What servers like ours know of each other, by their listeners. */
interface Share {
  /** Whether a route has this path. */
  readonly hasPath: (path: string) => boolean;
  /** It lets nobody in any more. */
  isClosing: boolean;
}

/** Where a listener has its {@link Share}; no other listener has one. */
const SHARE = Symbol("share");

/** On a request that a server like ours has taken, be it of another copy of this package: the host tells all of them. */
const CLAIMED = Symbol.for("sendall.claimed");

/** @returns `false` if another server was first */
function claim(request: IncomingMessage): boolean {
  if (Reflect.has(request, CLAIMED)) return false;
  return Reflect.set(request, CLAIMED, true);
}

export function attachTo(host: HostServer, parts: AttachParts): Attachment {
  const share: Share = { hasPath: parts.hasPath, isClosing: false };
  const onUpgrade: UpgradeListener = (request, socket, head) => {
    parts.pipelines.releaseSocket(socket);
    const path = readPath(request.url ?? "/");
    const listeners = host.listeners("upgrade");
    const shares = listeners.map(shareOf);
    const isAmongUs = !shares.includes(undefined);
    // Node leaves an upgrade that nobody takes hanging once there is a listener: then it is for us to turn it down.
    const isNobodys = isAmongUs && listeners[0] === listener && !shares.some((one) => one?.hasPath(path));
    const isOurs = share.hasPath(path) && !(share.isClosing && shares.some((one) => one?.hasPath(path) && !one.isClosing));
    if (!isOurs && !isNobodys) return;
    const arrival = new HostUpgrade(request, socket, head);
    if (isAmongUs) arrival.take(host, parts);
    // The others come first, whatever their place in the list: what they do to a socket of ours would be an error of theirs.
    else parts.clock.soon(() => arrival.take(host, parts));
  };
  const listener = Object.assign(onUpgrade, { [SHARE]: share });
  raiseListenerLimit(host, 1);
  host.on("upgrade", listener);
  const undo = declineUpgradesWithBody(host, (request) => {
    const isOurs = share.hasPath(readPath(request.url ?? "/"));
    return !namesWebSocket(request) && (isOurs || !host.listeners("upgrade").map(shareOf).includes(undefined));
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
      share.isClosing = true;
    },
    detach: () => {
      undo();
      host.off("upgrade", listener);
      raiseListenerLimit(host, -1);
    },
  };
}

/** Ours is no listener that somebody has forgotten to remove, of which Node warns at the eleventh. */
function raiseListenerLimit(host: HostServer, more: number): void {
  if (!(host instanceof EventEmitter)) return;
  const limit = host.getMaxListeners();
  // 0 is no limit.
  if (limit > 0) host.setMaxListeners(limit + more);
}

/** An upgrade that the host has told of, until somebody takes it. */
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
      // Another server like ours may have given an ordinary request back.
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
    // What cannot be given back is turned down as an upgrade.
    if (namesWebSocket(request) || !replayRequest(host, request, this.#socket, this.#head))
      upgrade(request, this.#socket, this.#head);
  }
}

function shareOf(listener: unknown): Share | undefined {
  return typeof listener === "function" && SHARE in listener ? (listener[SHARE] as Share) : undefined;
}
