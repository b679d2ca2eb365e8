/**
 * The typed client of a test: a test client that speaks a protocol, with the calls and checks of a typed client of `sendall/client`.
 * `live.ts` makes a {@link TypedHalf} for each `connect` with a protocol; its calls end with the connection.
 */
import type { Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { Protocol } from "../../protocol/protocol.js";
import type {
  AnswerOutput,
  CallName,
  ClientInput,
  MessageName,
  PayloadArguments,
  ProtocolSpec,
  ServerMessageName,
  ServerOutput,
} from "../../protocol/spec.js";
import type { TypedClientCore } from "../../protocol/typed-client.js";
import { parse } from "../../protocol/wire.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import { show } from "../../runtime/show.js";
import { quote } from "../quote.js";
import type { ClientObserver, MemoryTestClient, TestClient } from "./client.js";
import type { Failures } from "./failures.js";

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
   * Sends a message.
   * @returns `false` if the client has closed
   * @throws SendallError `INVALID_MESSAGE` with `issues` for a payload that the schema refuses; `BAD_DATA` for an unknown name
   */
  send<N extends MessageName<S>>(name: N, ...payload: PayloadArguments<ClientInput<S, N>>): boolean;
  /** Sends a frame as given, whatever the protocol says. @returns `false` if the client has closed @throws SendallError `BAD_DATA` */
  sendRaw(data: Data): boolean;
  /**
   * Calls, and resolves with the answer: lets things happen as `next`, and then as much virtual time pass as the call takes, unless another
   * call of the runtime (such as `advance`) is under way. `timeoutMs` is in virtual time, by default 5,000.
   * @throws SendallError as a typed client of `sendall/client`: `CALL_REFUSED` with `reason` and `data`; `CALL_FAILED`, whose `cause` is the
   * handler's error under `failures: "throw"`; `CALL_TIMEOUT`; `CONNECTION_LOST`; `CLOSED`; `TOO_MANY_CALLS`; `INVALID_MESSAGE` with
   * `issues`; `BAD_DATA`. And the handler's error, as `settle`
   */
  call<N extends CallName<S>>(name: N, ...rest: TestCallArguments<ClientInput<S, N>>): Promise<AnswerOutput<S, N>>;
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

/** The arguments of a call: a payload, which may be left out if `undefined` fits, and options. */
export type TestCallArguments<T> = undefined extends T
  ? [payload?: T, options?: TestCallOptions]
  : [payload: T, options?: TestCallOptions];

/** The options of a call. */
export interface TestCallOptions {
  /** How many milliseconds of virtual time the answer may take. Default: 5,000. */
  readonly timeoutMs?: number;
  /** Aborts the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a typed client needs of its runtime. */
export interface TypedHost {
  readonly clock: Pick<Clock, "after">;
  readonly failures: Pick<Failures, "onInvalidMessage" | "takeHandlerError" | "throwFirst">;
  /** Lets things happen until `isDone` holds, and in the end virtual time pass. */
  settleCall(isDone: () => boolean): Promise<void>;
}

/** The verbs of a core that a test client has. */
interface Face {
  send(...message: unknown[]): boolean;
  call(...call: unknown[]): Promise<unknown>;
}

export class TypedHalf implements ClientObserver {
  readonly #core: TypedClientCore;
  readonly #names: ReadonlySet<string>;
  readonly #host: TypedHost;
  readonly #isKept: boolean;
  readonly #errors: SendallError[] = [];
  #client: MemoryTestClient | undefined;
  /** The last id of a call. */
  #calls = 0;
  /** The frame that is read now. */
  #frame = "";

  /** @param isKept whether the client's frames are kept, and go nowhere else */
  constructor(protocol: Protocol, host: TypedHost, isKept: boolean) {
    const { definition, createClient } = protocol["~sendall"];
    this.#host = host;
    this.#isKept = isKept;
    this.#names = new Set(definition.fromServer.keys());
    const { clock } = host;
    this.#core = createClient({
      options: { on: Object.fromEntries([...this.#names].map((name) => [name, this.#listener(name)])) },
      post: (text, owner) => this.#post(text, owner !== undefined),
      waits: () => false,
      withdraw() {},
      fail: (error) => this.#onError(error),
      timers: {
        setTimeout: (ring, ms) => clock.after(ms, ring),
        clearTimeout: (timer) => (timer as Timer | undefined)?.cancel(),
      },
    });
  }

  /** Called before anything can come. */
  attach(client: MemoryTestClient): void {
    this.#client = client;
    this.#core.onOpen(false);
  }

  /** The client for the test. */
  createFace(client: MemoryTestClient): TypedTestClient {
    const { send } = this.#core.face as Face;
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
      send: (...message: unknown[]) => send(...message),
      sendRaw: (data) => client.send(data),
      call: (...call: unknown[]) => this.#call(call) as never,
      next: (...name: [string?]) => (name.length === 0 ? client.next() : this.#next(name[0])) as never,
      ping: (data) => client.ping(data),
      close: (code, reason) => client.close(code, reason),
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
    if (typeof data !== "string") return;
    this.#frame = data;
    const [head] = parse(data) ?? [];
    if (this.#isKept && typeof head === "number" && head <= this.#calls) this.#client?.inbox.takeLast();
    this.#core.onText(data);
  }

  onFailed(): void {}

  onClosed(): void {
    this.#core.onClose(true, false);
  }

  #listener(name: string): (payload: unknown) => void {
    return (payload) => {
      if (this.#isKept) this.#client?.inbox.nameLast(name, payload);
    };
  }

  #post(text: string, isCall: boolean): boolean {
    if (isCall) this.#calls++;
    return this.#client?.send(text) ?? false;
  }

  #onError(error: SendallError): void {
    this.#errors.push(error);
    if (error.code !== "INVALID_MESSAGE") return;
    const { message, issues } = error;
    const told = `${this.#client?.shownName} has got an invalid message ${quote(this.#frame)}: ${message}`;
    this.#host.failures.onInvalidMessage(
      new SendallError("INVALID_MESSAGE", told, { ...(issues && { issues }), cause: error }),
    );
  }

  #next(name: unknown): Promise<unknown> {
    if (typeof name === "string" && this.#names.has(name) && this.#client) return this.#client.inbox.nextNamed(name);
    const known = [...this.#names].map((one) => JSON.stringify(one)).join(", ");
    return Promise.reject(
      new SendallError(
        "BAD_DATA",
        `next: the server says no ${show(name)}; expected ${known || "no name, since it says nothing"}`,
      ),
    );
  }

  #call(call: unknown[]): Promise<unknown> {
    const answer = this.#answer((this.#core.face as Face).call(...call));
    // The test may look at the answer later.
    answer.catch(() => {});
    return answer;
  }

  async #answer(call: Promise<unknown>): Promise<unknown> {
    const { settleCall, failures } = this.#host;
    let isDone = false;
    const settled = call.finally(() => {
      isDone = true;
    });
    settled.catch(() => {});
    await settleCall(() => isDone);
    try {
      await settled;
    } catch (thrown) {
      const isFailure = thrown instanceof SendallError && thrown.code === "CALL_FAILED";
      const cause = isFailure ? failures.takeHandlerError() : undefined;
      throw cause ? new SendallError("CALL_FAILED", (thrown as Error).message, { cause }) : thrown;
    }
    failures.throwFirst();
    return settled;
  }
}
