/** What unit tests stand a client on: sockets that they hold in their own hands, and a clock that stands still. */
import { type Client, type ConnectOptions, connect, SendallError, type WebSocketLike } from "../../../src/client.js";

/** Where a client looks for its clock on the class of its sockets. */
export const CLOCK: unique symbol = Symbol.for("sendall.clock");

type Listener = (event: { readonly type: string }) => void;

/** A socket that does what the test says, and notes what it was asked for. */
export class HandSocket implements WebSocketLike {
  binaryType = "blob";
  bufferedAmount = 0;
  protocol = "";
  readyState = 0;
  readonly url: string;
  readonly protocols: readonly string[];
  /** What the client has sent. */
  readonly sent: (string | Uint8Array)[] = [];
  /** The arguments of each `close`. */
  readonly closes: (readonly [code?: number, reason?: string])[] = [];
  /** A socket that never says that it has closed. */
  isMute = false;
  /** As the class of Node: the refusal, and whether another attempt would be refused, too. */
  refused: SendallError | undefined;
  isFinal: boolean | undefined;
  readonly #listeners: [type: string, listener: Listener][] = [];

  constructor(url: string, protocols: string[] = []) {
    this.url = url;
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push([type, listener]);
  }

  send(data: string | ArrayBuffer): void {
    if (this.readyState !== 1) throw new Error(`sent in state ${this.readyState}`);
    this.sent.push(typeof data === "string" ? data : new Uint8Array(data));
  }

  close(...args: [code?: number, reason?: string]): void {
    this.closes.push(args);
    if (this.readyState >= 2) return;
    const wasOpen = this.readyState === 1;
    this.readyState = 2;
    if (this.isMute) return;
    const [code = 1005, reason = ""] = args;
    queueMicrotask(() => {
      if (!wasOpen) this.fail("closed before it was open");
      else this.end(code, reason, true);
    });
  }

  /** The server accepts it. */
  accept(): void {
    this.readyState = 1;
    this.#tell("open", {});
  }

  /** The server accepts it with a session, and says how long it may be silent. */
  welcome(heartbeatMs = 0, protocol = "sendall.1"): void {
    this.protocol = protocol;
    this.accept();
    this.message(welcomeOf(heartbeatMs));
  }

  /** The server accepts it with a session that it keeps, or goes on with. */
  keep(welcome: Partial<KeptWelcome> = {}): void {
    this.protocol = "sendall.1";
    this.accept();
    this.message(keptWelcome(welcome));
  }

  /** The server refuses it with a status of HTTP. */
  refuse(status: number, body = "", isFinal = false): void {
    this.refused = new SendallError("REFUSED", `HTTP ${status}`, { status, body });
    this.isFinal = isFinal;
    this.fail();
  }

  /** A message arrives. */
  message(data: unknown): void {
    this.#tell("message", { data });
  }

  /** It cannot connect, or is lost. */
  fail(message = "no route"): void {
    this.readyState = 3;
    this.#tell("error", { message });
    this.end(1006, "", false);
  }

  /** It has closed. */
  end(code: number, reason = "", wasClean = true): void {
    this.readyState = 3;
    this.#tell("close", { code, reason, wasClean });
  }

  #tell(type: string, details: object): void {
    for (const [wanted, listener] of this.#listeners) if (wanted === type) listener({ type, ...details });
  }
}

/** The welcome of a server that keeps nothing. */
export function welcomeOf(heartbeatMs: number): string {
  const nothing = { session: null, resumed: false, why: "off", received: 0, from: 0, replayed: 0, lost: 0, graceMs: 0 };
  return `~${JSON.stringify({ ...nothing, heartbeatMs })}`;
}

/** What a server that keeps sessions says first. */
export interface KeptWelcome {
  readonly session: string;
  readonly resumed: boolean;
  readonly why: string;
  readonly received: number;
  readonly from: number;
  readonly replayed: number;
  readonly lost: number;
  readonly graceMs: number;
  readonly heartbeatMs: number;
}

/** The token of the sessions of a test, unless the test names another. */
export const TOKEN = "aBcDeFgHiJkLmNoPqRsT_-";

/** The welcome of a server that keeps a session: a new session, unless the test says otherwise. */
export function keptWelcome(welcome: Partial<KeptWelcome> = {}): string {
  const fresh = { session: TOKEN, resumed: false, why: "new", received: 0, from: 0, replayed: 0, lost: 0 };
  return `~${JSON.stringify({ ...fresh, graceMs: 120_000, heartbeatMs: 0, ...welcome })}`;
}

interface Alarm {
  readonly due: number;
  readonly ring: () => void;
}

/** Sockets and time for one client. */
export class ClientStage {
  readonly sockets: HandSocket[] = [];
  readonly alarms = new Map<number, Alarm>();
  now = 0;
  /** What `random` says. */
  chance = 0;
  /** What happened to the client, in order. */
  readonly log: unknown[] = [];
  readonly WebSocket: new (
    url: string,
    protocols?: string[],
  ) => HandSocket;

  constructor() {
    const stage = this;
    this.WebSocket = class extends HandSocket {
      static readonly [CLOCK] = stage.#clock();

      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        stage.sockets.push(this);
      }
    };
  }

  /** A client whose callbacks write the log. */
  connect(options: ConnectOptions = {}): Client {
    return connect("ws://server/", {
      WebSocket: this.WebSocket,
      onOpen: () => this.log.push("open"),
      onMessage: (data) => this.log.push(["message", data]),
      onClose: ({ code, willRetry }) => this.log.push(["close", code, willRetry]),
      onError: (error) => this.log.push(["error", "code" in error ? error.code : error]),
      ...options,
    });
  }

  /** The socket that was made last. */
  get socket(): HandSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was made");
    return socket;
  }

  /** What has happened since the last time. */
  take(): unknown[] {
    return this.log.splice(0);
  }

  /** In how many milliseconds each alarm rings. */
  get waits(): number[] {
    return [...this.alarms.values()].map(({ due }) => due - this.now).sort((a, b) => a - b);
  }

  /** Lets time pass, alarm by alarm. */
  async pass(ms: number): Promise<void> {
    const limit = this.now + ms;
    for (;;) {
      const [next] = [...this.alarms].filter(([, { due }]) => due <= limit).sort(([, a], [, b]) => a.due - b.due);
      if (next === undefined) break;
      const [id, { due, ring }] = next;
      this.alarms.delete(id);
      this.now = due;
      ring();
      await settle();
    }
    this.now = limit;
  }

  /** The machine sleeps: no alarm rings before the end, and then all that are due ring late. */
  async sleep(ms: number): Promise<void> {
    this.now += ms;
    for (;;) {
      const [next] = [...this.alarms].filter(([, { due }]) => due <= this.now).sort(([, a], [, b]) => a.due - b.due);
      if (next === undefined) break;
      const [id, { ring }] = next;
      this.alarms.delete(id);
      ring();
      await settle();
    }
  }

  #clock() {
    let ids = 0;
    return {
      setTimeout: (ring: () => void, ms: number): number => {
        this.alarms.set(++ids, { due: this.now + ms, ring });
        return ids;
      },
      clearTimeout: (id: number): void => {
        this.alarms.delete(id);
      },
      random: (): number => this.chance,
      now: (): number => this.now,
    };
  }
}

/** Runs what waits for the end of the present call. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}
