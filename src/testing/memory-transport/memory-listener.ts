/**
 * The listener of a server without a port. Clients of the same process take the path of a socket's client: admission, transport,
 * close handshake, pauses. The test runtime makes a listener for each server, which admits clients until `close`.
 */

import type { Gate } from "../../admission/gate.js";
import type { Head } from "../../admission/request-head.js";
import { joinHeaders, ParsedHead } from "../../admission/request-head.js";
import { readSessionOffer } from "../../admission/session-offer.js";
import { LEFT, type UpgradeAttempt } from "../../admission/upgrade-attempt.js";
import type { ConnectionId } from "../../api/connection.js";
import type { Refusal } from "../../api/rejection.js";
import type { Address } from "../../http/listen.js";
import type { Listener } from "../../server/listener.js";
import type { Admission } from "../../transport/transport.js";
import type { ClientEnd, ClientEndListener, DeliveryScheduler, StepClock } from "./contracts.js";
import { MemoryLink, type MemoryLinkParts } from "./link.js";

/** An admitted connection: its id at the server, and the test's end. */
export interface MemoryConnection {
  readonly id: ConnectionId;
  /** The subprotocol that answers the handshake, `""` if none. */
  readonly protocol: string;
  readonly end: ClientEnd;
}

/** Told what becomes of a dial. The answer of the server is on its way to the client then. */
export interface DialListener extends ClientEndListener {
  accepted(connection: MemoryConnection): void;
  refused(refusal: Refusal): void;
}

const NOT_LISTENING: Refusal = { status: 503, body: "the server is not listening" };

export class MemoryListener implements Listener {
  readonly #clock: StepClock;
  readonly #scheduler: DeliveryScheduler | undefined;
  #gate: Pick<Gate, "admit" | "refused"> | undefined;
  /** The links whose server's end is open, or decides. */
  readonly #links = new Set<MemoryLink>();
  /** End the waits for decisions of a gate that has gone without a word. */
  readonly #undecided = new Set<() => void>();
  #hasTerminated = false;

  /** @param scheduler decides on deliveries; without a scheduler the clock's steps deliver in order */
  constructor(clock: StepClock, scheduler?: DeliveryScheduler) {
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

  /** The server's process has been killed: every client's socket is cut, and the server is told nothing. */
  terminate(): void {
    this.#hasTerminated = true;
    this.#gate = undefined;
    for (const end of this.#undecided) end();
    this.#undecided.clear();
    for (const link of this.#links) link.onServerLost();
    this.#links.clear();
  }

  /** Lets a client in at once. @param signal aborted when the client cancels before the server has let it in */
  async connect(
    request: Head,
    listener: ClientEndListener,
    signal: AbortSignal,
    caller = "",
  ): Promise<MemoryConnection | Refusal> {
    const attempt = this.#attempt(request, signal);
    const decision = await this.#decide(attempt);
    const admission = this.#hasTerminated ? NOT_LISTENING : decision;
    if ("status" in admission) {
      this.#gate?.refused(attempt, admission);
      return admission;
    }
    const link = this.#createLink({ listener, caller });
    const connection = this.#accept(link, admission);
    this.#scheduler?.add(link);
    return connection;
  }

  /**
   * Puts a request on its way, as over a network: the request, the answer and the end of the client's socket each take their time, and each
   * can be lost.
   */
  dial(request: Head, listener: DialListener, caller: string): ClientEnd {
    const link = this.#createLink({ listener, caller, onRequest: () => void this.#answer(request, listener, link) });
    this.#scheduler?.add(link);
    link.toServer.push({ type: "request", url: request.url });
    return link.client;
  }

  async #answer(request: Head, listener: DialListener, link: MemoryLink): Promise<void> {
    const attempt = this.#attempt(request, link.left);
    const decision = await this.#decide(attempt);
    if (link.isServerLost) return;
    const hasLeft = link.left.aborted;
    if (!("status" in decision) && !hasLeft) {
      link.open();
      listener.accepted(this.#accept(link, decision));
      return;
    }
    if (!("status" in decision)) decision.cancel();
    const refusal = "status" in decision ? decision : LEFT;
    this.#gate?.refused(attempt, refusal);
    listener.refused(refusal);
    link.refuse();
  }

  #attempt(request: Head, signal: AbortSignal): UpgradeAttempt {
    const sessionOffer = readSessionOffer(request.headers.split("\n"));
    const head = sessionOffer === undefined ? request : { ...request, headers: joinHeaders(sessionOffer.rawHeaders) };
    const { headers } = new ParsedHead(head);
    return { at: this.#clock.now(), head, headers, sessionOffer, raw: undefined, signal };
  }

  async #decide(attempt: UpgradeAttempt): Promise<Admission | Refusal> {
    const gate = this.#gate;
    if (gate === undefined) return NOT_LISTENING;
    let end = (): void => {};
    const terminated = new Promise<Refusal>((resolve) => {
      end = () => resolve(NOT_LISTENING);
    });
    this.#undecided.add(end);
    try {
      // A promise that lasts as long as the listener would keep every decision in memory.
      return await Promise.race([gate.admit(attempt), terminated]);
    } finally {
      this.#undecided.delete(end);
    }
  }

  #createLink(parts: Omit<MemoryLinkParts, "clock" | "isScheduled" | "onServerClosed">): MemoryLink {
    const link = new MemoryLink({
      ...parts,
      clock: this.#clock,
      isScheduled: this.#scheduler !== undefined,
      onServerClosed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    return link;
  }

  #accept(link: MemoryLink, admission: Admission): MemoryConnection {
    const transportListener = admission.accept(link);
    link.attach(transportListener, admission);
    return { id: transportListener.id, protocol: admission.protocol, end: link.client };
  }
}
