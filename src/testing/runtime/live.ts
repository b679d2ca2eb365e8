/**
 * The implementation of {@link TestRuntime}: starts a server on the memory transport, lets clients in, and drives server and clients.
 * `build.ts` makes a runtime for each test, or for each call of `runtime` in an explored scenario; the runtime ends with its server.
 */
import { checkDuration } from "../../actors/route/checks.js";
import type { UnfinishedEvent } from "../../actors/route/observer.js";
import { SendallError } from "../../api/errors.js";
import type { OptionTable } from "../../options/table.js";
import type { ProtocolSpec } from "../../protocol/spec.js";
import type { Logger } from "../../runtime/logger.js";
import { typed } from "../../server/create-server.js";
import type { Server } from "../../server/server.js";
import { MemoryTestClient, type TestClient, type TestClientParts } from "./client.js";
import { type AnyTestConnectOptions, readTestConnectOptions } from "./connect-options.js";
import type { TestConnectOptions, TestRuntime, TypedTestConnectOptions } from "./contracts.js";
import { type AnyDialledClient, Dialled } from "./dial.js";
import { type DialOptions, SOCKET_REQUEST } from "./dial-options.js";
import { Driver, LazyDeadline, OUTSIDE_WAIT_MS } from "./driver.js";
import type { RuntimeEnvironment } from "./environment.js";
import { Failures } from "./failures.js";
import { notSettled } from "./handler-errors.js";
import { TimerLeakDetector } from "./leaked-timers.js";
import { SeededRandom } from "./random.js";
import { requestUrl } from "./request-url.js";
import { ServerProcess } from "./server-process.js";
import { SocketClasses } from "./socket-classes.js";
import { TestEntrance } from "./test-entrance.js";
import { TypedHalf, type TypedHost, type TypedTestClient } from "./typed-test-client.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

export interface LiveSettings {
  /** The next call of the runtime throws the handler's failure. */
  readonly throws: boolean;
  readonly seed: number;
  /** The options of the runtime itself, which `serve` does not have. */
  readonly ownOptions: OptionTable;
}

export class LiveRuntime<D> implements TestRuntime<D> {
  readonly WebSocket: RuntimeWebSocketClass;
  readonly #environment: RuntimeEnvironment;
  readonly #entrance: TestEntrance;
  readonly #process: ServerProcess;
  readonly #throws: boolean;
  readonly #dialled: Dialled[] = [];
  readonly #sockets: SocketClasses;
  readonly #driver: Driver;
  #timerLeaks: TimerLeakDetector | undefined;
  #started: Promise<void> | undefined;
  readonly #failures = new Failures((id) => this.#entrance.nameOf(id));

  constructor(
    options: { readonly logger?: Logger | false },
    { throws, seed, ownOptions }: LiveSettings,
    environment: RuntimeEnvironment,
  ) {
    const { clock, scheduler } = environment;
    this.#environment = environment;
    this.#throws = throws;
    this.#process = new ServerProcess({
      options,
      ownOptions,
      environment,
      onFailed: (failure) => {
        if (throws) this.#failures.onHandlerFailed(failure);
      },
    });
    this.#entrance = new TestEntrance(this.#process.listener, environment);
    this.#driver = new Driver(scheduler, () => {
      const work = this.#process.underWay();
      return { ...work, undecided: work.undecided + this.#sockets.undecided };
    });
    this.#sockets = new SocketClasses({
      clock,
      random: new SeededRandom(seed),
      waitFor: (task) => this.#driver.waitFor(task),
      clientParts: this.#clientParts(),
      dial: async (client, request, signal) => {
        await this.#start();
        this.#entrance.dial(client, request, signal);
      },
    });
    this.WebSocket = this.#sockets.create(SOCKET_REQUEST).WebSocket;
    environment.recovery?.watch(this);
  }

  get clients(): readonly TestClient[] {
    return [...this.#entrance.clients];
  }

  get server(): Server<D> {
    return typed(this.#process.server);
  }

  get isKilled(): boolean {
    return this.#process.isKilled;
  }

  now(): number {
    return this.#environment.clock.now();
  }

  connect(options?: TestConnectOptions): Promise<TestClient>;
  connect<S extends ProtocolSpec>(options: TypedTestConnectOptions<S>): Promise<TypedTestClient<S>>;
  async connect(options: AnyTestConnectOptions = {}): Promise<TestClient | TypedTestClient> {
    const { protocol, onMessage } = readTestConnectOptions(options);
    const half = protocol && new TypedHalf(protocol, this.#typedHost(), onMessage === undefined);
    const client = await this.join(options, half);
    await this.#settle(() => this.#isGreeted(client));
    return half?.createFace(client) ?? client;
  }

  /** Resolves when the server has let the client in; `open` may not be handled by then. */
  async join(options: AnyTestConnectOptions = {}, half?: TypedHalf): Promise<MemoryTestClient> {
    const { path, query, headers, protocols, remoteAddress, name, latencyMs, onMessage } =
      readTestConnectOptions(options);
    const client = new MemoryTestClient({ name, onMessage, ...(half && { observer: half }), ...this.#clientParts() });
    half?.attach(client);
    const request = { url: requestUrl(path, query), headers: { host: "memory", ...headers }, protocols, remoteAddress };
    await this.#start();
    const refusal = await this.#entrance.admit(client, request);
    if (refusal !== undefined) {
      const { status, body } = refusal;
      throw new SendallError("REFUSED", `refused with ${status}: ${body}`, { status, body });
    }
    client.delay(latencyMs);
    return client;
  }

  dial<S extends ProtocolSpec = never>(path = "/", options: DialOptions<S> = {}): AnyDialledClient<S> {
    const dialled = new Dialled(path, options as DialOptions, {
      ...this.#typedHost(),
      ...this.#clientParts(),
      caller: this.#environment.newCaller(),
      createClass: (request, onSocket) => this.#sockets.create(request, onSocket),
    });
    this.#dialled.push(dialled);
    return dialled.client as AnyDialledClient<S>;
  }

  kill(): void {
    // A process takes the timers of its handlers along.
    this.#stopTimerLeaks();
    this.#process.kill();
  }

  /** Part of `FaultyRuntime`. */
  get serverName(): string {
    return this.#process.name;
  }

  /** Part of `FaultyRuntime`. */
  get isRunning(): boolean {
    return this.#process.isRunning;
  }

  /** Part of `FaultyRuntime`. Nobody comes back to a server that was killed. */
  get isAwaited(): boolean {
    return !this.isKilled && this.#dialled.some(({ isRecovering }) => isRecovering);
  }

  /** Part of `FaultyRuntime`. */
  get hasAway(): boolean {
    if (this.isKilled) return false;
    if (this.server.stats().away > 0) return true;
    const vanished = [...this.#entrance.clients].filter(({ hasVanished }) => hasVanished);
    return this.server.connections().some(({ id }) => vanished.some((client) => client.id === id));
  }

  settle(): Promise<void> {
    return this.#settle();
  }

  advance(ms: number): Promise<void> {
    // A promise for each wait on the way would cost more than the way: tests that let much time pass call this most often.
    return new Promise((resolve, reject) => {
      checkDuration("advance", ms);
      const begin = (): void => this.#driver.passTime(this.now() + ms, this.#isDoneWhenExplored(), end, reject);
      const end = (): void => {
        this.#failures.throwFirst();
        resolve();
      };
      this.#start().then(begin, reject);
    });
  }

  async close(): Promise<void> {
    await this.#start();
    await this.#shutDown(OUTSIDE_WAIT_MS);
    const leak = this.#stopTimerLeaks();
    this.#failures.throwFirst();
    if (leak !== undefined) throw leak;
  }

  /** Closes the server without waiting for unfinished handlers, and throws no failure. */
  async terminate(): Promise<void> {
    if (!this.#isUsed) return;
    await this.#start().then(
      () => this.#shutDown(0),
      () => {},
    );
    this.#stopTimerLeaks();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed scenario disposes of its runtimes too, and closing must not add to the trace: the run closes each runtime later.
    if (!this.#environment.isExplored) await this.close();
  }

  /** Closes the server, unless the runtime was never used. */
  async closeIfUsed(): Promise<void> {
    if (this.#isUsed) await this.close();
  }

  /** Lets things happen until `isDone` says so, and reports no unfinished handler. */
  async runUntil(isDone: () => boolean): Promise<void> {
    await this.#start();
    while (!isDone()) await this.#driver.runUntilIdle({ outsideWaitMs: 0, isDone });
  }

  /** The sockets of dialled clients start the server sooner or later. */
  get #isUsed(): boolean {
    return this.#started !== undefined || this.#dialled.length > 0;
  }

  async #shutDown(outsideWaitMs: number): Promise<void> {
    for (const dialled of this.#dialled) dialled.onRuntimeClosing();
    const deadline = new LazyDeadline(outsideWaitMs);
    await this.#driver.runUntilSettled(
      this.#process.close(),
      ({ events, sleepers }) => events.length <= sleepers || deadline.hasPassed,
    );
    for (const dialled of this.#dialled) dialled.onServerClosed();
    // Nobody tells the clients that have vanished.
    for (const client of this.#entrance.clients) if (client.hasVanished) client.disconnect();
    const isDone = (): boolean => this.#dialled.every(({ isOver }) => isOver);
    if (!isDone()) await this.#driver.runUntilIdle({ outsideWaitMs: 0, isDone });
  }

  /** @param isWait whether `until` may come true only when virtual time passes after a fault */
  async #settle(until?: () => boolean, isWait = false): Promise<void> {
    await this.#start();
    const { recovery } = this.#environment;
    const isDone = this.#isDoneWhenExplored(until);
    let unfinished: readonly UnfinishedEvent[] | undefined;
    do unfinished = await this.#driver.runUntilIdle({ outsideWaitMs: OUTSIDE_WAIT_MS, isDone });
    while (unfinished === undefined && !isDone?.() && recovery?.goOn(isWait));
    this.#failures.throwFirst();
    if (unfinished !== undefined && unfinished.length > 0)
      throw notSettled(unfinished, (id) => this.#entrance.nameOf(id));
  }

  #typedHost(): TypedHost {
    const { clock, isExplored } = this.#environment;
    const settleCall: TypedHost["settleCall"] = async (isDone) => {
      await this.#start();
      await this.#driver.runInTime(isDone, isExplored);
    };
    return { clock, isExplored, failures: this.#failures, settleCall };
  }

  #clientParts(): Pick<TestClientParts, "clock" | "settleUntil"> {
    const { clock } = this.#environment;
    const settleUntil: TestClientParts["settleUntil"] = (until) =>
      this.#driver.settleUntil(until, () => this.#settle(until, true));
    return { clock, settleUntil };
  }

  /** Whether the client's `open` is handled, and everything that `open` sent has arrived. */
  #isGreeted({ id, closed, isCaughtUp }: MemoryTestClient): boolean {
    if (closed !== undefined) return true;
    const connection = this.server.connections().find((one) => one.id === id);
    const { events } = this.#process.underWay();
    const isOpening = events.some(({ event, connection }) => event === "open" && connection === id);
    return connection?.bufferedAmount === 0 && !isOpening && isCaughtUp;
  }

  #start(): Promise<void> {
    // Starts in a later microtask, so that `#started` is set when steps of the start call this method.
    this.#started ??= Promise.resolve().then(() => {
      if (this.#throws && !this.isKilled) this.#timerLeaks = TimerLeakDetector.start(this.#process.clock);
      // `init` may sleep; virtual time passes for nothing else before the server runs.
      return this.#driver.runUntilSettled(this.#process.start(), ({ sleepers }) => sleepers > 0);
    });
    return this.#started;
  }

  /** @returns the error for a leaked timer of the handler */
  #stopTimerLeaks(): SendallError | undefined {
    const detector = this.#timerLeaks;
    this.#timerLeaks = undefined;
    return detector?.stop((id) => this.#entrance.nameOf(id));
  }

  /** Whether an explored scenario can go on: `until` holds, or the next call rejects. `undefined` for a runtime that is not explored. */
  #isDoneWhenExplored(until?: () => boolean): (() => boolean) | undefined {
    if (!this.#environment.isExplored) return undefined;
    return () => until?.() === true || this.#failures.isPending;
  }
}
