/**
 * Plays one explored run: at each step a chooser picks one of the deliveries that may happen, the next step of the server (a turn,
 * mostly), an alarm that may ring, or a fault of those that were asked for.
 */

import type { HandlerObserver } from "../../actors/route/observer.js";
import { SendallError } from "../../api/errors.js";
import type { CarriedLink } from "../memory-transport/carried.js";
import type { Carrier } from "../memory-transport/memory.js";
import { HandClock } from "../runtime/clock.js";
import { createIds, createNodeNames, type Steps, type World } from "../runtime/steps.js";
import type { Chooser } from "./chooser.js";
import { readWords, sentWords, Trace } from "./trace.js";

/**
 * What may go wrong with a client, if a scenario asks for it: it stops reading for a while, its socket ends without a close frame, or
 * its socket is reset and what was on its way is lost.
 */
export type Fault = "stall" | "disconnect" | "reset";

export interface ExplorerSettings {
  readonly chooser: Chooser;
  readonly faults: readonly Fault[];
  readonly maxSteps: number;
}

type Act = () => void;

/** When nobody decides any more, so often an alarm rings. */
const LET_GO_EVERY = 50;

export class Explorer implements Steps, Carrier, World {
  readonly clock: HandClock = new HandClock();
  readonly trace: Trace = new Trace();
  readonly guests: Trace = this.trace;
  readonly newId: World["newId"] = createIds();
  readonly newNode: () => string = createNodeNames();
  readonly isExplored = true;
  readonly #settings: ExplorerSettings;
  #links: CarriedLink[] = [];
  readonly #stalled = new Set<CarriedLink>();
  #drivers = 0;
  #moves = 0;
  #isLetGo = false;

  constructor(settings: ExplorerSettings) {
    this.#settings = settings;
  }

  get steps(): Steps {
    return this;
  }

  get carrier(): Carrier {
    return this;
  }

  get observer(): HandlerObserver {
    return this.trace;
  }

  /** Steps so far, and how often somebody has begun to wait. */
  get moves(): number {
    return this.#moves;
  }

  carry(link: CarriedLink): void {
    this.#links = [...this.#links.filter(({ isOver }) => !isOver), link];
  }

  hasAny(limit: number): boolean {
    if (this.clock.hasSteps || this.#isDue(limit)) return true;
    for (const { toServer, toClient } of this.#links)
      if (toServer.next !== undefined || toClient.next !== undefined) return true;
    return false;
  }

  begin(): void {
    this.#count();
    this.#drivers++;
  }

  end(): void {
    this.#drivers--;
  }

  /** Somebody lets things happen. */
  get isDriven(): boolean {
    return this.#drivers > 0;
  }

  run(limit: number): void {
    const acts = this.#acts(limit);
    if (acts.length === 0) return;
    this.#count();
    if (this.#isLetGo) {
      // Time goes on for a server that would never come to rest, too.
      if (this.#moves % LET_GO_EVERY === 0) this.clock.ringNext(Number.POSITIVE_INFINITY);
      else acts[0]?.();
      return;
    }
    const faults = this.#faults();
    const decision = this.#settings.chooser.choose(acts.length, faults.length);
    const act = decision < 0 ? faults[-1 - decision] : acts[decision];
    act?.();
  }

  ring(limit: number): boolean {
    if (!this.#isDue(limit)) return this.clock.ringNext(limit);
    this.#count();
    this.#ring(limit);
    return true;
  }

  /** The run has ended: nobody decides any more, and nothing is counted. */
  letGo(): void {
    this.#isLetGo = true;
  }

  #count(): void {
    const { maxSteps } = this.#settings;
    if (++this.#moves <= maxSteps || this.#isLetGo) return;
    throw new SendallError("NOT_SETTLED", `maxSteps: the run has not ended after ${maxSteps} steps`);
  }

  #isDue(limit: number): boolean {
    const due = this.clock.nextDue;
    return due !== undefined && due <= limit;
  }

  /** What may happen. The first is what happens if nobody decides: what is on its way arrives, then the server goes on, then time. */
  #acts(limit: number): Act[] {
    const acts: Act[] = [];
    for (const link of this.#links) {
      if (link.toServer.next !== undefined) acts.push(() => this.#toServer(link));
      if (link.toClient.next !== undefined) acts.push(() => this.#toClient(link));
    }
    if (this.clock.hasSteps) acts.push(() => this.#goOn());
    if (this.#isDue(limit)) acts.push(() => this.#ring(limit));
    return acts;
  }

  #toServer(link: CarriedLink): void {
    const { next } = link.toServer;
    if (next !== undefined) this.trace.add(this.trace.nameOf(link.id), sentWords(next));
    link.toServer.deliver();
  }

  #toClient(link: CarriedLink): void {
    const { next } = link.toClient;
    if (next !== undefined) this.trace.add(this.trace.nameOf(link.id), readWords(next));
    link.toClient.deliver();
  }

  /** It may be a turn that handles nothing: what it handles is written down as it happens. */
  #goOn(): void {
    this.trace.endHandling();
    this.clock.runStep();
  }

  #ring(limit: number): void {
    const due = Math.max(this.clock.nextDue ?? 0, this.clock.now());
    if (due > this.clock.now()) this.trace.add("time", ["goes on", `to ${due} ms`]);
    this.clock.ringNext(limit);
  }

  #faults(): Act[] {
    const { faults } = this.#settings;
    const acts: Act[] = [];
    if (faults.length === 0) return acts;
    for (const link of this.#links) {
      if (!link.isClientOpen) continue;
      for (const fault of faults) acts.push(() => this.#fault(fault, link));
    }
    return acts;
  }

  #fault(fault: Fault, link: CarriedLink): void {
    const { client } = link;
    const note = (did: string): void => this.trace.add(this.trace.nameOf(link.id), [did, ""]);
    if (fault === "disconnect") {
      note("goes offline");
      client.end();
    } else if (fault === "reset") {
      note("is reset");
      client.reset(new Error("reset by the client"));
    } else if (this.#stalled.delete(link)) {
      note("reads again");
      client.resume();
    } else {
      note("stops reading");
      this.#stalled.add(link);
      client.stall();
    }
  }
}
