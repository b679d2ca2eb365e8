/**
 * The way in for connections without a network, for tests: the same road as over sockets (admission, wire, peer, close handshake,
 * pauses), with a client end in the same process (`link.ts`).
 */

import type { Gate } from "../../admission/gate.js";
import type { Head } from "../../admission/request-head.js";
import { ParsedHead } from "../../admission/request-head.js";
import type { ConnectionId } from "../../api/connection.js";
import type { Refusal } from "../../api/rejection.js";
import type { Address } from "../../http/listen.js";
import type { Clock } from "../../runtime/clock.js";
import type { Listener } from "../../server/listener.js";
import type { CarriedLink, MemoryClientEnd, MemoryClientEvents } from "./carried.js";
import { MemoryLink } from "./link.js";

/** Decides in which order what is on its way arrives, in place of the clock's steps. */
export interface Carrier {
  /** A connection has come to be; from now on its lines deliver when they are told to. */
  carry(link: CarriedLink): void;
}

/** A connection that was let in: its id at the server, and the test's end of it. */
export interface MemoryConnection {
  readonly id: ConnectionId;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  readonly end: MemoryClientEnd;
}

/** The entrance of a server that has no port: clients come in through `connect`. */
export class MemoryListener implements Listener {
  readonly #clock: Clock;
  readonly #carrier: Carrier | undefined;
  #gate: Pick<Gate, "admit" | "refused"> | undefined;

  constructor(clock: Clock, carrier?: Carrier) {
    this.#clock = clock;
    this.#carrier = carrier;
  }

  readonly address: Address = { host: "memory", port: 0, isSecure: false };

  async open(gate: Pick<Gate, "admit" | "refused">): Promise<void> {
    this.#gate = gate;
  }

  async close(): Promise<void> {
    this.#gate = undefined;
  }

  /** @param signal aborted when the client gives up before it is let in */
  async connect(head: Head, events: MemoryClientEvents, signal: AbortSignal): Promise<MemoryConnection | Refusal> {
    const asking = { at: this.#clock.now(), head, headers: new ParsedHead(head).headers, raw: undefined, signal };
    const admission = (await this.#gate?.admit(asking)) ?? { status: 503, body: "the server is not listening" };
    if ("status" in admission) {
      this.#gate?.refused(asking, admission);
      return admission;
    }
    const carrier = this.#carrier;
    const link = new MemoryLink(this.#clock, admission, events, carrier !== undefined);
    const peer = admission.accept(link);
    link.attach(peer);
    carrier?.carry(link);
    return { id: peer.id, protocol: admission.protocol, end: link.client };
  }
}
