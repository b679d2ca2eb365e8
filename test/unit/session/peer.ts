/**
 * A peer that speaks the subprotocol `sendall.1` by hand, over the sockets of a test runtime: counts what it gets, and comes back with its
 * count. Unlike a client of `sendall/client` the peer acknowledges nothing by itself but the welcome, and does only what a test says.
 */
import type { ServeOptions, ServerEvent } from "sendall";
import { type ConnectOptions, createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import type { SentWelcome } from "../../../src/transport/session-frames.js";

/** What a peer offers in its request. */
export interface Offer {
  readonly token: string;
  readonly received: number;
  readonly lost: number;
  readonly dial: number;
}

export interface PeerOptions extends Omit<ConnectOptions, "protocols"> {
  /** The program's subprotocol. */
  readonly protocol?: string;
  /** Whether to answer the welcome. */
  readonly isMute?: boolean;
}

/** The names that a request has for a session. */
export function namesOf(offer?: Offer, protocol = ""): string[] {
  const names = protocol === "" ? ["sendall.1"] : [`${protocol}+sendall.1`, protocol];
  if (offer === undefined) return names;
  const { token, received, lost, dial } = offer;
  return [...names, `sendall.1.${token}.${received}.${lost}.${dial}`];
}

export class Peer {
  readonly #runtime: TestRuntime;
  readonly #options: PeerOptions;
  /** The newest socket. */
  socket: TestClient;
  /** The first frame of the newest socket. */
  welcome: SentWelcome | undefined;
  /** What the peer would offer. */
  offer: Offer = { token: "", received: 0, lost: 0, dial: 0 };
  /** Control frames of the newest socket since the last `take`. */
  readonly controls: string[] = [];
  readonly #messages: (string | Buffer)[] = [];

  private constructor(runtime: TestRuntime, options: PeerOptions, socket: TestClient) {
    this.#runtime = runtime;
    this.#options = options;
    this.socket = socket;
  }

  static async open(runtime: TestRuntime, options: PeerOptions = {}): Promise<Peer> {
    const { isMute = false, protocol, ...rest } = options;
    const socket = await runtime.connect({ ...rest, protocols: namesOf(undefined, protocol) });
    const peer = new Peer(runtime, options, socket);
    peer.#read(isMute);
    await runtime.settle();
    return peer;
  }

  /** Dials again. What is given replaces what an honest peer would offer and ask for. */
  async comeBack({
    offer,
    ...options
  }: PeerOptions & { readonly offer?: Partial<Offer> } = {}): Promise<SentWelcome | undefined> {
    this.#read(true);
    this.offer = { ...this.offer, dial: this.offer.dial + 1 };
    const { isMute = false, protocol, ...rest } = { ...this.#options, ...options };
    const names = namesOf({ ...this.offer, ...offer }, protocol);
    this.socket = await this.#runtime.connect({ ...rest, protocols: names });
    this.welcome = undefined;
    this.controls.length = 0;
    this.#read(isMute);
    await this.#runtime.settle();
    this.#read(true);
    return this.welcome;
  }

  /** Loses the socket and comes back. */
  async blink(options: Parameters<Peer["comeBack"]>[0] = {}): Promise<SentWelcome | undefined> {
    await this.cut();
    return this.comeBack(options);
  }

  async cut(): Promise<void> {
    this.socket.disconnect();
    await this.#runtime.settle();
    this.#read(true);
  }

  /** Sends messages, which reach the server. */
  async send(...messages: readonly (string | Buffer)[]): Promise<void> {
    for (const data of messages) this.socket.send(typeof data === "string" && data.startsWith("~") ? `~${data}` : data);
    await this.#runtime.settle();
  }

  /** Sends frames as they are. */
  async write(...frames: readonly string[]): Promise<void> {
    for (const frame of frames) this.socket.send(frame);
    await this.#runtime.settle();
  }

  /** Says what has arrived. */
  async acknowledge(number?: number): Promise<void> {
    this.#read(true);
    await this.write(`~a${number ?? this.offer.received}`);
  }

  /** The messages since the last `take`. */
  take(): (string | Buffer)[] {
    this.#read(true);
    return this.#messages.splice(0);
  }

  /** The control frames since the last call, apart from the welcome. */
  takeControls(): string[] {
    this.#read(true);
    return this.controls.splice(0);
  }

  get closed(): TestClient["closed"] {
    return this.socket.closed;
  }

  #read(isMute: boolean): void {
    for (const data of this.socket.take()) {
      if (typeof data === "string" && data.startsWith("~{")) this.#onWelcome(JSON.parse(data.slice(1)), isMute);
      else if (typeof data === "string" && data.startsWith("~") && !data.startsWith("~~")) this.controls.push(data);
      else {
        this.offer = { ...this.offer, received: this.offer.received + 1 };
        this.#messages.push(typeof data === "string" && data.startsWith("~~") ? data.slice(1) : data);
      }
    }
  }

  #onWelcome(welcome: SentWelcome, isMute: boolean): void {
    this.welcome = welcome;
    const { session, resumed, from, lost } = welcome;
    if (resumed) this.offer = { ...this.offer, received: from, lost: this.offer.lost + lost };
    else this.offer = { token: session ?? "", received: 0, lost: 0, dial: 0 };
    if (!isMute && session !== null) this.socket.send(`~a${from}`);
  }
}

/** An event in a few words. */
function tell(event: ServerEvent): string {
  if (event.type === "message") return event.text;
  if (event.type === "back") return `back ${event.replayed} ${event.lost}`;
  if (event.type !== "closed") return event.type;
  const { code, by, reason, wasClean, unacknowledged } = event;
  const rest = [wasClean && "clean", unacknowledged > 0 && `${unacknowledged} unacknowledged`, reason];
  return ["closed", code, by, ...rest].filter((part) => part !== false && part !== "").join(" ");
}

/** A handler that keeps what it is told, and does as the test says. */
export function recorder(act: (event: ServerEvent) => unknown = () => {}) {
  const events: string[] = [];
  const handler = async (event: ServerEvent): Promise<void> => {
    events.push(tell(event));
    await act(event);
  };
  /** The events since the last call. */
  const take = (): string[] => events.splice(0);
  return { handler, take };
}

/** A server with sessions and without a heartbeat, and what its handler is told. */
export function start(
  options: Partial<Omit<ServeOptions, "routes" | "handler">> = {},
  act?: (event: ServerEvent) => unknown,
): ReturnType<typeof recorder> & { readonly runtime: TestRuntime } {
  const record = recorder(act);
  const runtime = createTestRuntime({ resume: true, heartbeat: false, ...options, handler: record.handler });
  return { runtime, ...record };
}

/** So many texts, which tell their places and have their length. */
export function texts(count: number, bytes = 8, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${first + i} `.padEnd(bytes, "x"));
}
