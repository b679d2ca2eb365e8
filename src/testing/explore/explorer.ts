/**
 * The environment of an explored run: at each step a chooser picks a possible delivery, the next step of the server (mostly a turn), the
 * next alarm, or a fault from the scenario's list. `play.ts` makes one for each run; its life ends with the run.
 */

import type { HandlerObserver } from "../../actors/route/observer.js";
import { SendallError } from "../../api/errors.js";
import type { DeliveryScheduler, ScheduledLink } from "../memory-transport/contracts.js";
import { HandClock } from "../runtime/clock.js";
import {
  type AdmissionObserver,
  createIdGenerator,
  createNodeNameGenerator,
  type RuntimeEnvironment,
  type Scheduler,
} from "../runtime/environment.js";
import type { Chooser } from "./chooser.js";
import { describeRead, describeSent, Trace } from "./trace.js";

/**
 * What may go wrong with a client, if a scenario asks for faults: the client stops reading for a while, its socket ends without a close
 * frame, or its socket is reset and everything on its way is lost. A client of `dial` comes back when virtual time passes.
 */
export type Fault = "stall" | "disconnect" | "reset";

export interface ExplorerSettings {
  readonly chooser: Chooser;
  readonly faults: readonly Fault[];
  readonly maxSteps: number;
}

type Action = () => void;

/** Without the chooser, every 50th step is the next alarm. */
const ALARM_EVERY = 50;

export class Explorer implements Scheduler, DeliveryScheduler, RuntimeEnvironment {
  readonly clock: HandClock = new HandClock();
  readonly trace: Trace = new Trace();
  readonly newId: RuntimeEnvironment["newId"] = createIdGenerator();
  readonly newNode: () => string = createNodeNameGenerator();
  readonly waits: Set<object> = new Set();
  readonly isExplored = true;
  readonly #settings: ExplorerSettings;
  #links: ScheduledLink[] = [];
  readonly #stalled = new Set<ScheduledLink>();
  #drivers = 0;
  #progress = 0;
  #isChoosing = true;

  constructor(settings: ExplorerSettings) {
    this.#settings = settings;
  }

  get scheduler(): Scheduler {
    return this;
  }

  get deliveryScheduler(): DeliveryScheduler {
    return this;
  }

  get handlerObserver(): HandlerObserver {
    return this.trace;
  }

  get admissionObserver(): AdmissionObserver {
    return this.trace;
  }

  /** Counts steps, and calls that have begun to wait. */
  get progress(): number {
    return this.#progress;
  }

  add(link: ScheduledLink): void {
    this.#links = [...this.#links.filter(({ isOver }) => !isOver), link];
  }

  canRun(limit: number): boolean {
    if (this.clock.hasSteps || this.#isAlarmDue(limit)) return true;
    for (const { toServer, toClient } of this.#links)
      if (toServer.next !== undefined || toClient.next !== undefined) return true;
    return false;
  }

  onDriverStarted(): void {
    this.#countProgress();
    this.#drivers++;
  }

  onDriverStopped(): void {
    this.#drivers--;
  }

  get isDriven(): boolean {
    return this.#drivers > 0;
  }

  run(limit: number): void {
    const actions = this.#possibleActions(limit);
    if (actions.length === 0) return;
    this.#countProgress();
    if (!this.#isChoosing) {
      // Time also passes for a server that never becomes idle.
      if (this.#progress % ALARM_EVERY === 0) this.clock.ringNext(Number.POSITIVE_INFINITY);
      else actions[0]?.();
      return;
    }
    const faults = this.#possibleFaults();
    const decision = this.#settings.chooser.choose(actions.length, faults.length);
    const action = decision < 0 ? faults[-1 - decision] : actions[decision];
    action?.();
  }

  ringNext(limit: number): boolean {
    if (!this.#isAlarmDue(limit)) return this.clock.ringNext(limit);
    this.#countProgress();
    this.#ringAlarm(limit);
    return true;
  }

  /** The run has ended: from now on the default action happens at each step, and no limit applies. */
  stopChoosing(): void {
    this.#isChoosing = false;
  }

  #countProgress(): void {
    const { maxSteps } = this.#settings;
    if (++this.#progress <= maxSteps || !this.#isChoosing) return;
    throw new SendallError("NOT_SETTLED", `maxSteps: the run has not ended after ${maxSteps} steps`);
  }

  #isAlarmDue(limit: number): boolean {
    const due = this.clock.nextDue;
    return due !== undefined && due <= limit;
  }

  /** The first action is the default: deliveries come before steps of the server, and steps before alarms. */
  #possibleActions(limit: number): Action[] {
    const actions: Action[] = [];
    for (const link of this.#links) {
      if (link.toServer.next !== undefined) actions.push(() => this.#deliverToServer(link));
      if (link.toClient.next !== undefined) actions.push(() => this.#deliverToClient(link));
    }
    if (this.clock.hasSteps) actions.push(() => this.#runServerStep());
    if (this.#isAlarmDue(limit)) actions.push(() => this.#ringAlarm(limit));
    return actions;
  }

  #deliverToServer(link: ScheduledLink): void {
    const { next } = link.toServer;
    if (next !== undefined) this.trace.add(this.trace.nameOf(link.id), describeSent(next));
    link.toServer.deliver();
  }

  #deliverToClient(link: ScheduledLink): void {
    const { next } = link.toClient;
    if (next !== undefined) this.trace.add(this.trace.nameOf(link.id), describeRead(next));
    link.toClient.deliver();
  }

  /** Adds no line to the trace, since a turn may handle no event: the trace gets each event from the handler's observer. */
  #runServerStep(): void {
    this.trace.endServerLine();
    this.clock.runStep();
  }

  #ringAlarm(limit: number): void {
    const due = Math.max(this.clock.nextDue ?? 0, this.clock.now());
    if (due > this.clock.now()) this.trace.add("time", ["goes on", `to ${due} ms`]);
    this.clock.ringNext(limit);
  }

  #possibleFaults(): Action[] {
    const { faults } = this.#settings;
    const actions: Action[] = [];
    if (faults.length === 0) return actions;
    for (const link of this.#links) {
      if (!link.isClientOpen) continue;
      for (const fault of faults) actions.push(() => this.#inject(fault, link));
    }
    return actions;
  }

  #inject(fault: Fault, link: ScheduledLink): void {
    const { client } = link;
    const note = (did: string): void => this.trace.add(this.trace.nameOf(link.id), [did, ""]);
    if (fault === "disconnect") {
      note("goes offline");
      client.disconnect();
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
