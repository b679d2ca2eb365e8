/**
 * The typed client of a test: a test client that speaks a protocol, with the calls and checks of a typed client of `sendall/client`.
 * `live.ts` makes a {@link TypedHalf} for each `connect` with a protocol; its calls end with the connection.
 */
import type { Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { TypedVerbs } from "../../client/typed.js";
import type { LineEvent } from "../../protocol/calls.js";
import type { Protocol } from "../../protocol/protocol.js";
import type { ProtocolSpec, ServerMessageName, ServerOutput } from "../../protocol/spec.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { quote } from "../quote.js";
import type { ClientObserver, MemoryTestClient, TestClient } from "./client.js";
import { type CallHost, drive } from "./driven-call.js";
import { createTapped, nextOf } from "./typed-inbox.js";

/** A client in a test that speaks a protocol: made by `connect` with the option `protocol`. */
export interface TypedTestClient<S extends ProtocolSpec = ProtocolSpec> extends Omit<TestClient, "send" | "next"> {
  /**
   * Every frame so far, as the frame came: messages of the protocol and answers are JSON arrays. `take` has the frames that no `take`, no
   * `next` and no call has taken.
   */
  readonly received: readonly (string | Buffer)[];
  /**
   * What a client of `sendall/client` would have handed to `onError`: `MESSAGE_REFUSED` for a message that the server has refused, and
   * `INVALID_MESSAGE` for an invalid message of the server, with which the next call of the runtime rejects, too.
   */
  readonly errors: readonly SendallError[];
  /**
   * Sends a message of the protocol, or bytes as a binary frame.
   * @returns `false` if the client has closed
   * @throws SendallError `INVALID_MESSAGE` with `issues` for a payload that the schema refuses; `BAD_DATA` for an unknown name
   */
  readonly send: TypedVerbs<S>["send"];
  /** Sends a frame as given, whatever the protocol says. @returns `false` if the client has closed @throws SendallError `BAD_DATA` */
  sendRaw(data: Data): boolean;
  /**
   * Calls, and resolves with the answer: lets things happen as `next`, and then as much virtual time pass as the call takes, unless another
   * call of the runtime (such as `advance`) is under way. `timeoutMs` is in virtual time, by default 5,000.
   * @throws SendallError as a typed client of `sendall/client`: `CALL_REFUSED` with `reason` and `data`; `CALL_FAILED`, whose `cause` is the
   * handler's error under `failures: "throw"`; `CALL_TIMEOUT`; `CONNECTION_LOST`; `CLOSED`; `TOO_MANY_CALLS`; `INVALID_MESSAGE` with
   * `issues`; `BAD_DATA`. And the handler's error, as `settle`
   */
  readonly call: TypedVerbs<S>["call"];
  /**
   * The payload of the next message of this name: settles the runtime, unless such a message has arrived already. Messages of other names
   * that come before are kept, for their own `next`. Lets no virtual time pass.
   * @throws SendallError `BAD_DATA` for a name that the server does not say; `NO_MESSAGE`, `CLOSED`, `NOT_SETTLED` and the handler's error, as
   * `next` of a test client; `INVALID_MESSAGE` for an invalid message of the server
   */
  next<N extends ServerMessageName<S>>(name: N): Promise<ServerOutput<S, N>>;
  /** The next frame that was not taken, of any kind, as the frame came. Otherwise as `next` of a test client. */
  next(): Promise<string | Buffer>;
}

/** What a typed client needs of its runtime. */
export interface TypedHost extends CallHost {
  readonly clock: Pick<Clock, "after">;
}

/** The verbs of the typed half that a test client has. */
interface Face {
  send(...message: unknown[]): boolean;
  call(...call: unknown[]): Promise<unknown>;
  close(...farewell: unknown[]): boolean;
}

export class TypedHalf implements ClientObserver {
  readonly #protocol: Protocol;
  readonly #host: TypedHost;
  readonly #isKept: boolean;
  readonly #errors: SendallError[] = [];
  /** Hear when the connection has ended. */
  readonly #listeners = new Set<(event: LineEvent) => void>();
  #client: MemoryTestClient | undefined;
  #face: Face | undefined;
  #take: (type: string, argument: unknown) => boolean = () => false;
  /** The frame that is read now. */
  #frame = "";

  /** @param isKept whether the client's frames are kept, and go nowhere else */
  constructor(protocol: Protocol, host: TypedHost, isKept: boolean) {
    this.#protocol = protocol;
    this.#host = host;
    this.#isKept = isKept;
  }

  /** Called before anything can come. */
  attach(client: MemoryTestClient): void {
    const { clock } = this.#host;
    const createHalf = this.#isKept
      ? createTapped(this.#protocol, client.inbox, () => {})
      : this.#protocol["~sendall"].createClient;
    let isClosing = false;
    const plain = {
      get state() {
        return isClosing || client.closed !== undefined ? "closed" : "open";
      },
      send: (data: Data) => client.send(data),
      close(...farewell: [number?, string?]) {
        const isFirst = client.close(...farewell);
        isClosing ||= isFirst;
        return isFirst;
      },
    };
    const timers = {
      setTimeout: (ring: () => void, ms: number) => clock.after(ms, ring),
      clearTimeout: (timer: unknown) => (timer as Timer | undefined)?.cancel(),
    };
    const [face, take] = createHalf(
      plain,
      {},
      {},
      () => () => {},
      // The half itself hears first, and tells the inbox.
      (name, payload) => void this.#take(name, payload),
      (error) => this.#onError(error),
      (text) => client.send(text),
      [this.#listeners, () => false, () => false, () => {}, timers],
    );
    this.#client = client;
    this.#take = take;
    this.#face = face as Face;
  }

  /** The client for the test. */
  createFace(client: MemoryTestClient): TypedTestClient {
    const { send, call, close } = this.#face as Face;
    return {
      get id() {
        return client.id;
      },
      get closed() {
        return client.closed;
      },
      name: client.name,
      protocol: client.protocol,
      received: client.received,
      errors: this.#errors,
      take: () => client.take(),
      send: send as never,
      sendRaw: (data) => client.send(data),
      call: ((...given: unknown[]) => drive(call(...given), this.#host)) as never,
      next: (...name: unknown[]) => nextOf(this.#protocol, client.inbox, name) as never,
      ping: (data) => client.ping(data),
      close,
      disconnect: () => client.disconnect(),
      fail: (error) => client.fail(error),
      vanish: () => client.vanish(),
      stall: () => client.stall(),
      read: (bytes) => client.read(bytes),
      resume: () => client.resume(),
      delay: (ms) => client.delay(ms),
    };
  }

  onOpen(): void {}

  onMessage(data: string | Buffer): void {
    if (typeof data === "string") this.#frame = data;
    this.#take("message", data);
  }

  onFailed(): void {}

  onClosed(code: number): void {
    for (const listener of [...this.#listeners]) listener({ code, willRetry: false });
  }

  #onError(error: SendallError): void {
    this.#errors.push(error);
    if (error.code === "MESSAGE_REFUSED") return;
    const { code, message, issues } = error;
    const told = `${this.#client?.shownName} has got an invalid message ${quote(this.#frame)}: ${message}`;
    const failure = new SendallError(code, told, { ...(issues && { issues }), cause: error });
    this.#host.failures.onInvalidMessage(failure);
  }
}
