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
  createCallerNameGenerator,
  createIdGenerator,
  createNodeNameGenerator,
  createServerNameGenerator,
  createTokenGenerator,
  type FaultyRuntime,
  type Recovery,
  type RuntimeEnvironment,
  type Scheduler,
} from "../runtime/environment.js";
import type { Chooser } from "./chooser.js";
import { describeRead, describeSent, Trace } from "./trace.js";

/**
 * What may go wrong, if a scenario asks for faults. With a client: the client stops reading for a while (`"stall"`), its socket ends
 * without a close frame (`"disconnect"`), its socket is reset and everything on its way is lost (`"reset"`), or its socket is gone without
 * either side being told (`"vanish"`): the server notices by its heartbeat or by a newer socket, a client of `dial` by the silence.
 * Faults hit attempts of `dial` too: the request or the answer comes late, or never. A client of `dial` comes back when virtual time passes.
 *
 * `"node gone"` hits a runtime in place of a client, as `runtime.kill()` does: a node of a cluster is gone without a word. Of the runtimes that run at least
 * one is left, so that a scenario with a single runtime has no such fault. Rare, and in some runs rarer than in others.
 */
export type Fault = "stall" | "disconnect" | "reset" | "vanish" | "node gone";

/** What may go wrong with a client. */
type ClientFault = Exclude<Fault, "node gone">;

export interface ExplorerSettings {
  readonly chooser: Chooser;
  readonly faults: readonly Fault[];
  readonly maxSteps: number;
}

type Action = () => void;

/** Without the chooser, every 50th step is the next alarm. */
const ALARM_EVERY = 50;
/**
 * How long after the last fault callers wait for clients to come back, in virtual time: the patience of a client with a silent server grows
 * up to 10 minutes.
 */
const RECOVERY_MS = 1_800_000;

export class Explorer implements Scheduler, DeliveryScheduler, RuntimeEnvironment, Recovery {
  readonly clock: HandClock = new HandClock();
  readonly trace: Trace = new Trace();
  readonly newId: RuntimeEnvironment["newId"] = createIdGenerator();
  readonly newCaller: () => string = createCallerNameGenerator();
  readonly newToken: () => string = createTokenGenerator();
  readonly newEpoch: () => string = createNodeNameGenerator();
  readonly newNode: () => string = createNodeNameGenerator();
  readonly newServerName: () => string = createServerNameGenerator();
  readonly waits: Set<object> = new Set();
  readonly isExplored = true;
  readonly #settings: ExplorerSettings;
  readonly #clientFaults: readonly ClientFault[];
  #links: ScheduledLink[] = [];
  readonly #runtimes: FaultyRuntime[] = [];
  #lastFaultAt = Number.NEGATIVE_INFINITY;
  #drivers = 0;
  #progress = 0;
  #isChoosing = true;

  constructor(settings: ExplorerSettings) {
    this.#settings = settings;
    this.#clientFaults = settings.faults.filter((fault) => fault !== "node gone");
  }

  get scheduler(): Scheduler {
    return this;
  }

  get deliveryScheduler(): DeliveryScheduler {
    return this;
  }

  observe(server: string): HandlerObserver {
    return this.trace.observe(server);
  }

  get admissionObserver(): AdmissionObserver {
    return this.trace;
  }

  /** Counts steps, and calls that have begun to wait. */
  get progress(): number {
    return this.#progress;
  }

  get recovery(): Recovery {
    return this;
  }

  add(link: ScheduledLink): void {
    this.#links = [...this.#links.filter(({ isOver }) => !isOver), link];
  }

  watch(runtime: FaultyRuntime): void {
    this.#runtimes.push(runtime);
  }

  goOn(isWait: boolean): boolean {
    const limit = this.#lastFaultAt + RECOVERY_MS;
    if (!this.#isAlarmDue(limit)) return false;
    const isExpected = this.#runtimes.some((runtime) => runtime.isAwaited || (isWait && runtime.hasAway));
    return isExpected && this.ringNext(limit);
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
    const kills = this.#possibleKills();
    const faults = [...kills, ...this.#possibleFaults()];
    const decision = this.#settings.chooser.choose(actions.length, faults.length, kills.length);
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
    if (next !== undefined) this.trace.add(this.#nameOf(link), describeSent(next, link.isSession));
    link.toServer.deliver();
  }

  #deliverToClient(link: ScheduledLink): void {
    const { next } = link.toClient;
    if (next !== undefined)
      this.trace.add(this.#nameOf(link), describeRead(next, link.isSession, link.client.framesRead));
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

  #possibleKills(): Action[] {
    if (!this.#settings.faults.includes("node gone")) return [];
    const running = this.#runtimes.filter(({ isRunning }) => isRunning);
    if (running.length < 2) return [];
    return running.map((runtime) => () => {
      this.trace.add(runtime.serverName, ["is killed", ""]);
      runtime.kill();
    });
  }

  #possibleFaults(): Action[] {
    const faults = this.#clientFaults;
    const actions: Action[] = [];
    if (faults.length === 0) return actions;
    for (const link of this.#links) {
      if (!link.isClientOpen) continue;
      for (const fault of faults) {
        // A socket that is gone reads nothing, and cannot vanish once more. Its client may still find out.
        if (link.client.hasVanished && (fault === "stall" || fault === "vanish")) continue;
        actions.push(() => this.#inject(fault, link));
      }
    }
    return actions;
  }

  #inject(fault: ClientFault, link: ScheduledLink): void {
    const { client } = link;
    const note = (did: string): void => this.trace.add(this.#nameOf(link), [did, ""]);
    this.#lastFaultAt = this.clock.now();
    const wasStalled = client.fault === "stalled";
    client.fault = fault === "stall" && !wasStalled ? "stalled" : "hit";
    switch (fault) {
      case "disconnect":
        note("goes offline");
        client.disconnect();
        return;
      case "reset":
        note("is reset");
        client.reset(new Error("reset by the client"));
        return;
      case "vanish":
        note("vanishes");
        client.vanish();
        return;
      case "stall":
        note(wasStalled ? "reads again" : "stops reading");
        if (wasStalled) client.resume();
        else client.stall();
    }
  }

  #nameOf({ id, caller }: ScheduledLink): string {
    return id === "" ? caller : this.trace.nameOf(id);
  }
}
