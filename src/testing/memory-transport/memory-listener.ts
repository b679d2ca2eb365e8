/**
 * The listener of a server without a port. Clients of the same process take the path of a socket's client: admission, transport,
 * close handshake, pauses. The test runtime makes a listener for each server, which admits clients until `close`.
 */

import type { Gate } from "../../admission/gate.js";
import type { Head } from "../../admission/request-head.js";
import { joinHeaders, ParsedHead } from "../../admission/request-head.js";
import { readSessionOffer } from "../../admission/session-offer.js";
import type { ConnectionId } from "../../api/connection.js";
import type { Refusal } from "../../api/rejection.js";
import type { Address } from "../../http/listen.js";
import type { Clock } from "../../runtime/clock.js";
import type { Listener } from "../../server/listener.js";
import type { ClientEnd, ClientEndListener, DeliveryScheduler } from "./contracts.js";
import { MemoryLink } from "./link.js";

/** An admitted connection: its id at the server, and the test's end. */
export interface MemoryConnection {
  readonly id: ConnectionId;
  /** The subprotocol that answers the handshake, `""` if none. */
  readonly protocol: string;
  readonly end: ClientEnd;
}

export class MemoryListener implements Listener {
  readonly #clock: Clock;
  readonly #scheduler: DeliveryScheduler | undefined;
  #gate: Pick<Gate, "admit" | "refused"> | undefined;

  /** @param scheduler decides on deliveries; without a scheduler the clock's steps deliver in order */
  constructor(clock: Clock, scheduler?: DeliveryScheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  readonly address: Address = { host: "memory", port: 0, isSecure: false };

  async open(gate: Pick<Gate, "admit" | "refused">): Promise<void> {
    this.#gate = gate;
  }

  async close(): Promise<void> {
    this.#gate = undefined;
  }

  /** @param signal aborted when the client cancels before the server has let it in */
  async connect(request: Head, listener: ClientEndListener, signal: AbortSignal): Promise<MemoryConnection | Refusal> {
    const sessionOffer = readSessionOffer(request.headers.split("\n"));
    const head = sessionOffer === undefined ? request : { ...request, headers: joinHeaders(sessionOffer.rawHeaders) };
    const { headers } = new ParsedHead(head);
    const attempt = { at: this.#clock.now(), head, headers, sessionOffer, raw: undefined, signal };
    const admission = (await this.#gate?.admit(attempt)) ?? { status: 503, body: "the server is not listening" };
    if ("status" in admission) {
      this.#gate?.refused(attempt, admission);
      return admission;
    }
    const scheduler = this.#scheduler;
    const link = new MemoryLink(this.#clock, admission, listener, scheduler !== undefined);
    const transportListener = admission.accept(link);
    link.attach(transportListener);
    scheduler?.add(link);
    return { id: transportListener.id, protocol: admission.protocol, end: link.client };
  }
}
