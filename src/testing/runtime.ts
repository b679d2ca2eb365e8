/**
 * `sendall/testing`: a whole server inside a test, on the memory transport, with a clock and a scheduler that the test drives.
 * What passes here is what runs in production: only the entrance, the clock and the ids are others.
 *
 * @module sendall/testing
 */
import { checkDuration } from "../bus/bus.js";
import { SendallError, show } from "../errors.js";
import type { ConnectionData, ConnectionId, Failure } from "../events.js";
import { joinHeaders } from "../head.js";
import type { ServeOptions } from "../options.js";
import type { Refusal } from "../reject.js";
import type { LiveServer, Server } from "../server/live.js";
import { createServer, typed } from "../server.js";
import { MemoryEntrance } from "../transport/memory.js";
import { type ClientObserver, MemoryTestClient, type TestClient } from "./client.js";
import { HandClock } from "./clock.js";
import { Random } from "./random.js";
import { createWebSocketClass, type RuntimeWebSocketClass } from "./websocket.js";

export { SendallError } from "../errors.js";
export type { ClientClose, TestClient } from "./client.js";
export type {
  RuntimeTimers,
  RuntimeWebSocket,
  RuntimeWebSocketClass,
  WebSocketCloseEvent,
  WebSocketData,
  WebSocketEvents,
  WebSocketMessageEvent,
} from "./websocket.js";

/** The options of `serve` (those of the listener mean nothing here), and how failures of the handler are shown. */
export type TestRuntimeOptions<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>> = ServeOptions<
  D,
  S,
  R
> & {
  /**
   * `"throw"`: `settle`, `advance` and `close` reject with the error of a handler that has failed since the last call.
   * `"supervise"`: supervision deals with it, as in production. Default `"throw"`.
   */
  readonly failures?: "throw" | "supervise";
  /** Where the randomness that client code gets (`Symbol.for("sendall.clock")`) comes from: a whole number. Default 1. */
  readonly seed?: number;
};

/** What a test client asks with. */
export interface ConnectOptions {
  /** The path that it asks for. Default `"/"`. */
  readonly path?: string;
  /** What goes behind the path, not yet encoded. Default none. */
  readonly query?: Readonly<Record<string, string>>;
  /** Headers of its request. Default: `host` alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The subprotocols on offer. Default none. */
  readonly protocols?: readonly string[];
  /** The address that it comes from. Default `"127.0.0.1"`. */
  readonly remoteAddress?: string;
}

/** A server in a test. */
export interface TestRuntime<D = ConnectionData> extends AsyncDisposable {
  /** The whole server; started by the first call of anything below. */
  readonly server: Server<D>;
  /** The clients that are connected, in the order in which they were let in: those of `WebSocket` too. */
  readonly clients: readonly TestClient[];
  /**
   * The class of browsers, connected to this server, for client code under test: `connect(url, { WebSocket: runtime.WebSocket })`.
   * What it sends and receives is on its way until the runtime is settled. A refused upgrade is an `error`, then a `close` with
   * 1006. `clients` has the far end of each socket, to stall it or to make it fail.
   */
  readonly WebSocket: RuntimeWebSocketClass;
  /**
   * Resolves when the handler has handled `open` and what it sent has arrived.
   * @throws SendallError `REFUSED` with `status` and `body`; `BAD_OPTION`; `NOT_SETTLED`, and the handler's error, as `settle`
   */
  connect(options?: ConnectOptions): Promise<TestClient>;
  /**
   * Resolves when everything sent has arrived and every handler is done, or waits for virtual time.
   * @throws SendallError `NOT_SETTLED` if a handler waits for anything else for more than a second; with `failures: "throw"`,
   * the error of a handler that has failed since the last call
   */
  settle(): Promise<void>;
  /**
   * Lets `ms` milliseconds of virtual time pass, alarm by alarm, each followed by what it leads to.
   * @throws SendallError `BAD_DURATION`; with `failures: "throw"`, the error of a handler that has failed since the last call
   */
  advance(ms: number): Promise<void>;
  /** Virtual time in milliseconds; 0 at first. */
  now(): number;
  /** Closes the server, with as much virtual time as that takes. Rejects with the handler's error as `settle` does. */
  close(): Promise<void>;
}

// Taken when this file is loaded, so that a test may replace the globals.
const { setImmediate, performance } = globalThis;

const CONNECT_OPTIONS: readonly string[] = ["path", "query", "headers", "protocols", "remoteAddress"];

const LOOPBACK = "127.0.0.1";

/** What a client asks the server with. */
interface ClientAsking {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  readonly secure?: boolean;
}

/** So long a handler may wait for something outside the runtime. */
const PATIENCE_MS = 1_000;
/** So many rounds of the event loop without a step: a handler that sleeps is taken to wait for its sleep. */
const QUIET_ROUNDS = 5;

function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

class MemoryRuntime<D> implements TestRuntime<D> {
  readonly #clock = new HandClock();
  readonly #entrance = new MemoryEntrance(this.#clock);
  readonly #server: LiveServer;
  readonly #throws: boolean;
  #started: Promise<void> | undefined;
  readonly #clients = new Set<MemoryTestClient>();
  readonly WebSocket: RuntimeWebSocketClass;
  #lastFailure: Failure | undefined;
  #ids = 0;
  /** What is under way outside the runtime. */
  #held = 0;

  constructor(options: object, { failures = "throw", seed = 1 }: Pick<TestRuntimeOptions, "failures" | "seed">) {
    if (!Number.isSafeInteger(seed))
      throw new SendallError("BAD_OPTION", `seed: expected a whole number, got ${show(seed)}`, { option: "seed" });
    if (failures !== "throw" && failures !== "supervise")
      throw new SendallError("BAD_OPTION", `failures: expected "throw" or "supervise"`, { option: "failures" });
    this.#throws = failures === "throw";
    this.#server = createServer(
      { logger: false, ...options },
      {
        clock: this.#clock,
        newId: () => `connection-${++this.#ids}` as ConnectionId,
        createEntrance: () => this.#entrance,
      },
    );
    this.WebSocket = createWebSocketClass({
      clock: this.#clock,
      random: new Random(seed),
      dial: (url, protocols, observer, signal) => this.#dial(url, protocols, observer, signal),
      hold: (work) => this.#hold(work),
    });
  }

  get clients(): readonly TestClient[] {
    return [...this.#clients];
  }

  get server(): Server<D> {
    return typed(this.#server);
  }

  now(): number {
    return this.#clock.now();
  }

  async connect(options: ConnectOptions = {}): Promise<TestClient> {
    const { path = "/", query, headers = {}, protocols = [], remoteAddress = LOOPBACK } = options;
    for (const name of Object.keys(options))
      if (!CONNECT_OPTIONS.includes(name))
        throw new SendallError("BAD_OPTION", `${name}: is no option of connect`, { option: name });
    const search = query === undefined ? "" : `${path.includes("?") ? "&" : "?"}${new URLSearchParams(query)}`;
    const client = new MemoryTestClient(() => this.settle());
    const asking = { url: path + search, headers: { host: "memory", ...headers }, protocols, remoteAddress };
    const refusal = await this.#admit(client, asking, new AbortController().signal);
    if (refusal !== undefined) {
      const { status, body } = refusal;
      throw new SendallError("REFUSED", `refused with ${status}: ${body}`, { status, body });
    }
    await this.settle();
    return client;
  }

  async settle(): Promise<void> {
    await this.#start();
    const unfinished = await this.#rest(PATIENCE_MS);
    this.#throwFailure();
    if (unfinished.length > 0) throw notSettled(unfinished);
  }

  async advance(ms: number): Promise<void> {
    checkDuration("advance", ms);
    await this.#start();
    const limit = this.#clock.now() + ms;
    let patienceMs = PATIENCE_MS;
    do {
      // One that hangs is waited for once: it may be `handlerTimeoutMs` that the test is after.
      if ((await this.#rest(patienceMs)).length > 0) patienceMs = 0;
    } while (this.#clock.ringNext(limit));
    this.#throwFailure();
  }

  async close(): Promise<void> {
    await this.#start();
    await this.#drive(this.#server.close(), (events, sleepers, isPatient) => events <= sleepers || !isPatient);
    this.#throwFailure();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dial(
    { host, pathname, search, protocol }: URL,
    protocols: readonly string[],
    observer: ClientObserver,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const client = new MemoryTestClient(() => this.settle(), observer);
    const asking = { url: pathname + search, headers: { host }, protocols, remoteAddress: LOOPBACK };
    return this.#admit(client, { ...asking, secure: protocol === "wss:" }, signal);
  }

  /** @returns why the client was not let in */
  async #admit(client: MemoryTestClient, asking: ClientAsking, signal: AbortSignal): Promise<Refusal | undefined> {
    const { url, headers, protocols, remoteAddress, secure = false } = asking;
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
    if ("status" in answer) return answer;
    this.#clients.add(client);
    client.attach(answer);
    return undefined;
  }

  #hold(work: Promise<void>): void {
    this.#held++;
    void work.finally(() => {
      this.#held--;
    });
  }

  #start(): Promise<void> {
    // Not within this call: steps that run meanwhile ask for it too.
    this.#started ??= Promise.resolve().then(() =>
      // `init` may sleep; no other time passes before the server runs.
      this.#drive(this.#server.start(), (_events, sleepers) => sleepers > 0),
    );
    return this.#started;
  }

  /** Runs steps and lets virtual time pass until it is settled. What the handler itself waits for is given real time first. */
  async #drive(
    work: Promise<void>,
    mayPass: (events: number, sleepers: number, isPatient: boolean) => boolean,
  ): Promise<void> {
    let isOver = false;
    const settled = work.finally(() => {
      isOver = true;
    });
    // Whoever awaits the result hears of its failure; here it must not count as unheard.
    settled.catch(() => {});
    const startedAt = performance.now();
    for (let quiet = 0; !isOver; quiet++) {
      if (this.#clock.hasSteps) quiet = 0;
      this.#clock.runSteps();
      await nextRound();
      if (isOver || this.#clock.hasSteps || quiet < QUIET_ROUNDS) continue;
      const { events, sleepers } = this.#server.underWay();
      const isPatient = performance.now() - startedAt < PATIENCE_MS;
      if (mayPass(events.length, sleepers, isPatient)) this.#clock.ringNext(Number.POSITIVE_INFINITY);
    }
    await settled;
  }

  /** @returns what handlers have not finished, and will not without something from outside */
  async #rest(patienceMs: number): Promise<readonly string[]> {
    const startedAt = performance.now();
    for (let quiet = 0; ; quiet++) {
      if (this.#clock.hasSteps) quiet = 0;
      this.#clock.runSteps();
      await nextRound();
      if (this.#clock.hasSteps) continue;
      if (this.#held > 0) continue;
      const { events, sleepers, undecided } = this.#server.underWay();
      if (events.length + undecided === 0) return [];
      if (quiet < QUIET_ROUNDS) continue;
      if (sleepers > 0) return [];
      if (performance.now() - startedAt >= patienceMs) return events;
    }
  }

  #throwFailure(): void {
    const { failures } = this.#server.stats();
    const fresh = failures.slice(this.#lastFailure === undefined ? 0 : failures.indexOf(this.#lastFailure) + 1);
    this.#lastFailure = failures.at(-1);
    const first = fresh[0];
    if (first !== undefined && this.#throws) throw first.error;
  }
}

function notSettled(types: readonly string[]): SendallError {
  return new SendallError(
    "NOT_SETTLED",
    `the handler has not finished its ${types.map((type) => `"${type}"`).join(", ")} event, and waits for something outside the test runtime`,
  );
}

/**
 * Makes a server that lives inside the test: no port, no timers, no sleeping. It starts with the first call that needs it,
 * which rejects with what the first `init` throws.
 *
 * @throws SendallError `BAD_OPTION`
 */
export function createTestRuntime<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>>(
  options: TestRuntimeOptions<D, S, R>,
): TestRuntime<D> {
  const { failures, seed, ...serverOptions } = options;
  return new MemoryRuntime<D>(serverOptions, { ...(failures && { failures }), ...(seed !== undefined && { seed }) });
}
