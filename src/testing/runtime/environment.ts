/**
 * What a test runtime runs in: a clock, a scheduler and the observers of a run. `create.ts` makes an environment for each
 * runtime, or for the runtimes of a cluster; the runtimes of an explored run share an `Explorer`. An environment's life ends with its last runtime.
 */

import { randomBytes } from "node:crypto";
import type { HandlerObserver } from "../../actors/route/observer.js";
import type { ConnectionId } from "../../api/connection.js";
import type { DeliveryScheduler } from "../memory-transport/contracts.js";
import { HandClock } from "./clock.js";

/** Decides what happens next in a run. */
export interface Scheduler {
  /** A caller waits: things happen until `onDriverStopped`. */
  onDriverStarted(): void;
  onDriverStopped(): void;
  /** Whether a caller waits, so that things happen. */
  readonly isDriven: boolean;
  /** Waits for a message that may never come, in the order of their beginning. */
  readonly waits: Set<object>;
  /** Whether anything can happen while the clock stays within `limit`. */
  canRun(limit: number): boolean;
  /** Runs at least one step, if any can run. */
  run(limit: number): void;
  /**
   * Goes on to the next alarm, at most to `limit`, and rings the alarm; may go on likewise while nothing comes of an alarm.
   * @returns `false` if no alarm is due by then; the time is `limit` now
   */
  ringNext(limit: number): boolean;
}

/** The environment of a single runtime, of every runtime of a cluster, or of every runtime of an explored run. */
export interface RuntimeEnvironment {
  readonly clock: HandClock;
  readonly scheduler: Scheduler;
  /** Makes the id of the next connection. */
  readonly newId: () => ConnectionId;
  /** Makes the token of the next session. */
  readonly newToken: () => string;
  /** Makes the name of the next epoch of a history. */
  readonly newEpoch: () => string;
  /** Makes the name of the next dialled client that the test has given no name. */
  readonly newCaller: () => string;
  /** Names the next node of a cluster, where each run has to give the same names. */
  readonly newNode?: () => string;
  /** Decides what arrives when; without a scheduler the clock's steps deliver in order. */
  readonly deliveryScheduler?: DeliveryScheduler;
  /** Makes the name of the next server, for traces. */
  readonly newServerName: () => string;
  /** Makes an observer for the handlers of a server. */
  readonly observe?: (server: string) => HandlerObserver;
  readonly admissionObserver?: AdmissionObserver;
  /**
   * Whether the run is explored: `connect` and `next` return as soon as the awaited item has arrived, while further items may still be on
   * their way, and a runtime is closed at the end of the run.
   */
  readonly isExplored: boolean;
  /** What faults do to runtimes and clients, and how the clients recover; absent for a runtime that is not explored. */
  readonly recovery?: Recovery;
}

/** A runtime under faults: the clients recover in virtual time. */
export interface FaultyRuntime {
  /** The server's name in traces. */
  readonly serverName: string;
  /** The server has started, and neither closes nor was killed. */
  readonly isRunning: boolean;
  /** Ends the server's process without a word. */
  kill(): void;
  /** A dialled client that a fault has hit will come back by itself. */
  readonly isAwaited: boolean;
  /** The server has yet to notice that a client has gone, or to give up waiting for a client. */
  readonly hasAway: boolean;
}

/** Lets virtual time pass where a caller would otherwise stop too early: a fault must not end a wait for what comes after the recovery. */
export interface Recovery {
  watch(runtime: FaultyRuntime): void;
  /**
   * Called when nothing can happen. Rings the next alarm if clients recover.
   * @param isWait whether the caller waits for something in particular, which may come when the server gives a client up
   * @returns `false` if no fault has hit a client, or nothing more can come of it
   */
  goOn(isWait: boolean): boolean;
}

/** Told which clients are let in and which are refused. */
export interface AdmissionObserver {
  onConnected(name: string, id: ConnectionId, url: string): void;
  onRefused(name: string, status: number): void;
}

/** Steps per round of the event loop: few enough that the test runner's own timers ring in between. */
const STEPS_PER_ROUND = 256;
/** Alarms without consequences per round of the event loop, for the same reason. */
const ALARMS_PER_ROUND = 256;

/** Runs steps in the order in which they were added, as in production, and rings alarms when no step is left. */
class InOrderScheduler implements Scheduler {
  readonly waits: Set<object> = new Set();
  readonly #clock: HandClock;
  #drivers = 0;

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  onDriverStarted(): void {
    this.#drivers++;
  }

  onDriverStopped(): void {
    this.#drivers--;
  }

  get isDriven(): boolean {
    return this.#drivers > 0;
  }

  canRun(): boolean {
    return this.#clock.hasSteps;
  }

  run(): void {
    this.#clock.runSteps(STEPS_PER_ROUND);
  }

  ringNext(limit: number): boolean {
    // Without a limit the caller asks after each alarm whether time has to pass still.
    let most = limit === Number.POSITIVE_INFINITY ? 1 : ALARMS_PER_ROUND;
    for (; most > 0; most--) {
      const { isNextSelfContained } = this.#clock;
      if (!this.#clock.ringNext(limit)) return false;
      // The alarm of a heartbeat that finds a sign of life has no consequences that a round of the event loop could bring about.
      if (!isNextSelfContained || this.#clock.hasSteps) break;
    }
    return true;
  }
}

/** Makes the environment of a runtime that is not explored, or of the runtimes of a cluster. */
export function createEnvironment(): RuntimeEnvironment {
  const clock = new HandClock();
  return {
    clock,
    scheduler: new InOrderScheduler(clock),
    newId: createIdGenerator(),
    newToken: createTokenGenerator(),
    newEpoch: createNodeNameGenerator(() => randomBytes(4).toString("hex")),
    newCaller: createCallerNameGenerator(),
    newNode: createNodeNameGenerator(() => randomBytes(4).toString("hex")),
    newServerName: createServerNameGenerator(),
    isExplored: false,
  };
}

/** The environments of clusters, by adapter. */
const environments = new WeakMap<object, RuntimeEnvironment>();

/**
 * The environment of the runtimes with the same cluster: nodes that hear from each other share their time, since a node takes another for
 * gone by the time that passes without a word.
 * @param cluster the option, not yet checked
 */
export function environmentOf(cluster: unknown): RuntimeEnvironment {
  if (typeof cluster !== "object" || cluster === null) return createEnvironment();
  const known = environments.get(cluster);
  if (known !== undefined) return known;
  const environment = createEnvironment();
  environments.set(cluster, environment);
  return environment;
}

/** Ids of connections, numbered in the order of arrival. */
export function createIdGenerator(): () => ConnectionId {
  let last = 0;
  return () => `connection-${++last}` as ConnectionId;
}

/** Tokens of sessions, numbered in the order in which the sessions begin. As long as in production, but easy to guess. */
export function createTokenGenerator(): () => string {
  let last = 0;
  return () => `token${String(++last).padStart(17, "0")}`;
}

/** Names of dialled clients, numbered in the order of the calls of `dial`. */
export function createCallerNameGenerator(): () => string {
  let last = 0;
  return () => `dialled-client-${++last}`;
}

/**
 * Names of a cluster's nodes, and of the epochs of histories, numbered in the order in which the nodes start or the epochs begin.
 * @param newPrefix makes the first digits of each name, up to 8 hexadecimal digits; called for the first name
 */
export function createNodeNameGenerator(newPrefix: () => string = () => ""): () => string {
  let last = 0;
  let prefix: string | undefined;
  return () => {
    prefix ??= newPrefix();
    return prefix + (++last).toString(16).padStart(12 - prefix.length, "0");
  };
}

/** Names of servers in traces, numbered in the order in which the runtimes are made. */
export function createServerNameGenerator(): () => string {
  let last = 0;
  return () => (++last === 1 ? "server" : `server-${last}`);
}
