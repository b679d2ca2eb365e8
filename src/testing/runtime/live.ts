/** The runtime behind {@link TestRuntime}: starts the server, lets the clients in, and drives all of it. */
import { checkDuration } from "../../actors/route/checks.js";
import { joinHeaders } from "../../admission/request-head.js";
import { SendallError } from "../../api/errors.js";
import type { Refusal } from "../../api/rejection.js";
import type { Failure } from "../../api/stats.js";
import type { Logger } from "../../runtime/logger.js";
import { createServer, typed } from "../../server/create-server.js";
import type { LiveServer } from "../../server/live-server.js";
import type { Server } from "../../server/server.js";
import { MemoryListener } from "../memory-transport/memory.js";
import { blame } from "./blame.js";
import { type ClientObserver, MemoryTestClient, type TestClient } from "./client.js";
import { readTestConnectOptions } from "./connect-options.js";
import type { TestConnectOptions, TestRuntime } from "./contracts.js";
import { Driver, PATIENCE_MS, Patience } from "./driver.js";
import { Random } from "./random.js";
import type { World } from "./steps.js";
import { TimerWatch } from "./timers.js";
import { createWebSocketClass } from "./websocket.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

const LOOPBACK = "127.0.0.1";

/** What a client asks the server with. */
interface Request {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  readonly secure?: boolean;
}

export interface LiveSettings {
  /** Failures of the handler are thrown by whatever is called next. */
  readonly throws: boolean;
  readonly seed: number;
}

export class LiveRuntime<D> implements TestRuntime<D> {
  readonly WebSocket: RuntimeWebSocketClass;
  readonly #world: World;
  readonly #entrance: MemoryListener;
  readonly #server: LiveServer;
  readonly #throws: boolean;
  readonly #clients = new Set<MemoryTestClient>();
  readonly #names = new Map<string, string>();
  readonly #driver: Driver;
  #timers: TimerWatch | undefined;
  #started: Promise<void> | undefined;
  /** The first since somebody was last told, with what the handler has thrown itself. */
  #failure: Failure | undefined;

  constructor(options: { readonly logger?: Logger | false }, { throws, seed }: LiveSettings, world: World) {
    const { clock, steps, carrier, newId, newNode, observer } = world;
    this.#world = world;
    this.#throws = throws;
    this.#entrance = new MemoryListener(clock, carrier);
    this.#server = createServer(
      { ...options, logger: options.logger ?? false },
      {
        clock,
        newId,
        newNode,
        createListener: () => this.#entrance,
        observer: {
          handling: (event) => observer?.handling(event),
          failed: (failure, error) => {
            observer?.failed(failure, error);
            if (throws) this.#failure ??= { ...failure, error };
          },
        },
      },
    );
    this.#driver = new Driver(steps, () => this.#server.underWay());
    this.WebSocket = createWebSocketClass({
      clock,
      random: new Random(seed),
      dial: (url, protocols, observer, signal) => this.#dial(url, protocols, observer, signal),
      hold: (work) => this.#driver.hold(work),
    });
  }

  get clients(): readonly TestClient[] {
    return [...this.#clients];
  }

  get server(): Server<D> {
    return typed(this.#server);
  }

  now(): number {
    return this.#world.clock.now();
  }

  async connect(options: TestConnectOptions = {}): Promise<TestClient> {
    const client = await this.join(options);
    await this.#settle(() => this.#isGreeted(client));
    return client;
  }

  /** Resolves when it was let in, whatever has become of its `open`. */
  async join(options: TestConnectOptions = {}): Promise<MemoryTestClient> {
    const { path, query, headers, protocols, remoteAddress, name, latencyMs, onMessage } =
      readTestConnectOptions(options);
    const search = query === undefined ? "" : `${path.includes("?") ? "&" : "?"}${new URLSearchParams(query)}`;
    const client = new MemoryTestClient({ name, onMessage, settle: (until) => this.#settle(until) });
    const request = { url: path + search, headers: { host: "memory", ...headers }, protocols, remoteAddress };
    const refusal = await this.#admit(client, request, new AbortController().signal);
    if (refusal !== undefined) {
      const { status, body } = refusal;
      throw new SendallError("REFUSED", `refused with ${status}: ${body}`, { status, body });
    }
    client.delay(latencyMs);
    return client;
  }

  settle(): Promise<void> {
    return this.#settle();
  }

  async advance(ms: number): Promise<void> {
    checkDuration("advance", ms);
    await this.#start();
    const limit = this.now() + ms;
    let patienceMs = PATIENCE_MS;
    do {
      // One that hangs is waited for once: it may be `handlerTimeoutMs` that the test is after.
      if ((await this.#driver.rest({ patienceMs, limit, isEnough: this.#enough() })) !== undefined) patienceMs = 0;
    } while (!this.#enough()?.() && this.#world.steps.ring(limit));
    this.#throwFailure();
  }

  async close(): Promise<void> {
    await this.#start();
    await this.#shutDown(PATIENCE_MS);
    const leak = this.#endTimers();
    this.#throwFailure();
    if (leak !== undefined) throw leak;
  }

  /** Closes it without waiting for anybody, whatever has failed. */
  async abandon(): Promise<void> {
    if (this.#started === undefined) return;
    await this.#start().then(
      () => this.#shutDown(0),
      () => {},
    );
    this.#endTimers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What comes after a scenario has failed does not belong into its trace.
    if (!this.#world.isExplored) await this.close();
  }

  /** Closes it, unless nobody has ever used it. */
  async end(): Promise<void> {
    if (this.#started !== undefined) await this.close();
  }

  /** Lets everything happen that can until `until` says that it is enough, without a word on handlers that have not finished. */
  async until(isEnough: () => boolean): Promise<void> {
    await this.#start();
    while (!isEnough()) await this.#driver.rest({ patienceMs: 0, isEnough });
  }

  #shutDown(patienceMs: number): Promise<void> {
    const patience = new Patience(patienceMs);
    return this.#driver.until(
      this.#server.close(),
      ({ events, sleepers }) => events.length <= sleepers || patience.isOver,
    );
  }

  async #settle(until?: () => boolean): Promise<void> {
    await this.#start();
    const unfinished = await this.#driver.rest({ patienceMs: PATIENCE_MS, isEnough: this.#enough(until) });
    this.#throwFailure();
    if (unfinished !== undefined && unfinished.length > 0) throw this.#notSettled(unfinished);
  }

  #dial(
    { host, pathname, search, protocol }: URL,
    protocols: readonly string[],
    observer: ClientObserver,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const client = new MemoryTestClient({ settle: (until) => this.#settle(until), observer });
    const request = { url: pathname + search, headers: { host }, protocols, remoteAddress: LOOPBACK };
    return this.#admit(client, { ...request, secure: protocol === "wss:" }, signal);
  }

  /** @returns why the client was not let in */
  async #admit(client: MemoryTestClient, request: Request, signal: AbortSignal): Promise<Refusal | undefined> {
    const { url, headers, protocols, remoteAddress, secure = false } = request;
    await this.#start();
    const offer = protocols.length === 0 ? {} : { "sec-websocket-protocol": protocols.join(", ") };
    const head = {
      url,
      headers: joinHeaders(Object.entries({ ...offer, ...headers }).flat()),
      version: 13,
      remoteAddress,
      remotePort: 0,
      localAddress: LOOPBACK,
      secure,
    };
    const events = {
      message: (data: string | Buffer): void => client.onMessage(data),
      pong(): void {},
      closed: (code: number, reason: string): void => {
        this.#clients.delete(client);
        client.onClosed(code, reason);
      },
    };
    const answer = await this.#entrance.connect(head, events, signal);
    const { guests } = this.#world;
    if ("status" in answer) {
      guests?.refused(client.name ?? `somebody at ${url}`, answer.status);
      return answer;
    }
    if (client.name !== undefined) this.#names.set(answer.id, `${client.name} (${answer.id})`);
    guests?.connected(client.name ?? answer.id, answer.id, url);
    this.#clients.add(client);
    client.attach(answer);
    return undefined;
  }

  /** Its `open` has been handled, and what that sent has arrived. */
  #isGreeted({ id, closed, isCaughtUp }: MemoryTestClient): boolean {
    if (closed !== undefined) return true;
    const connection = this.#server.connections().find((one) => one.id === id);
    const isHandled = !this.#server.underWay().events.some((event) => event.startsWith('"open"') && event.endsWith(id));
    return connection?.bufferedAmount === 0 && isHandled && isCaughtUp;
  }

  #start(): Promise<void> {
    // Not within this call: steps that run meanwhile ask for it too.
    this.#started ??= Promise.resolve().then(() => {
      if (this.#throws) this.#timers = TimerWatch.begin(this.#world.clock);
      // `init` may sleep; no other time passes before the server runs.
      return this.#driver.until(this.#server.start(), ({ sleepers }) => sleepers > 0);
    });
    return this.#started;
  }

  /** @returns what to say of those that the handler has left */
  #endTimers(): SendallError | undefined {
    const timers = this.#timers;
    this.#timers = undefined;
    return timers?.end((id) => this.#nameOf(id));
  }

  #nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** When an explored run goes on with its scenario: it has what it waits for, or has failed. */
  #enough(until?: () => boolean): (() => boolean) | undefined {
    if (!this.#world.isExplored) return undefined;
    return () => until?.() === true || this.#failure !== undefined;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw blame(failure, (id) => this.#nameOf(id));
  }

  #notSettled(unfinished: readonly string[]): SendallError {
    const what = unfinished.map((event) => event.replace(/\S*\bconnection-\d+$/, (id) => this.#nameOf(id))).join(", ");
    return new SendallError(
      "NOT_SETTLED",
      `the handler has not finished its ${what}, and waits for something outside the test runtime`,
    );
  }
}
