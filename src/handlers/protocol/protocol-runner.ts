/**
 * The runner of a protocol's handler: reads frames, asks the schemas, calls the functions and sends the answers. `chat.handler` itself only
 * describes the handler, since pages load the protocol. The runner ends with its route or channel.
 */
import { isControl, type MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import type { Bus } from "../../api/bus.js";
import { INVALID_MESSAGE } from "../../api/close-codes.js";
import type { Connection } from "../../api/connection.js";
import type { MessageEvent } from "../../api/events.js";
import { type Checked, check, invalid, refusedFor } from "../../protocol/check.js";
import type { ClientMessage } from "../../protocol/definition.js";
import { EVENTS, type HandlerDescription } from "../../protocol/describe-handler.js";
import { isRefusal } from "../../protocol/refuse.js";
import { NO_JSON } from "../../protocol/texts.js";
import { encode, encodeRefusal } from "../../protocol/wire.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { repeatable } from "../repeatable.js";
import { type EventContext, type StateCell, StateContext } from "./context.js";
import { type InvalidMessage, invalidFrame } from "./invalid-message.js";
import { type ClientFrame, readMessage } from "./read-message.js";

type UserFunction = (argument: unknown, context: EventContext) => unknown;

interface OwnMessage extends ClientMessage {
  readonly name: string;
  readonly run: UserFunction;
}

/** What is left to do once an event has succeeded, in `settled`: an event that took too long never comes there. */
class Outcome {
  readonly context: EventContext;
  /** The answer to a call, or the refusal of a message. */
  readonly answer: string | undefined;
  /** Whether the function has succeeded, so that its state is kept. */
  readonly isKept: boolean;

  constructor(context: EventContext, answer: string | undefined, isKept: boolean) {
    this.context = context;
    this.answer = answer;
    this.isKept = isKept;
  }
}

export class ProtocolRunner implements Runner {
  readonly concurrency = "serial";
  readonly hearsPings = false;
  readonly init: () => Promise<void>;
  readonly #description: HandlerDescription;
  readonly #host: RunnerHost;
  readonly #messages = new Map<string, OwnMessage>();
  readonly #events = new Map<string, UserFunction>();
  /** `undefined` for a handler without `init`. */
  readonly #cell: StateCell | undefined;
  /** The calls under way, and the messages whose schema needs time; a frame goes once its event has failed. */
  readonly #underWay = new Map<Connection, ClientFrame<OwnMessage>>();

  constructor(description: HandlerDescription, host: RunnerHost) {
    this.#description = description;
    this.#host = host;
    for (const [name, message] of description.definition.fromClient)
      this.#messages.set(name, { ...message, name, run: description.find(name) as UserFunction });
    for (const name of EVENTS) {
      const run = description.find(name);
      if (run !== undefined) this.#events.set(name, run as UserFunction);
    }
    const init = description.find("init") as ((context: { bus: Bus }) => unknown) | undefined;
    const cell = init && { state: undefined as unknown };
    this.#cell = cell;
    this.init = repeatable(
      () => init?.({ bus: host.bus }),
      (state) => {
        if (cell !== undefined) cell.state = state;
      },
    );
  }

  readonly handle = (event: MailboxEvent, bus: Bus): unknown => {
    if (event.type === "message") return this.#onMessage(event, bus);
    if (isControl(event)) return undefined;
    const run = this.#events.get(event.type);
    if (run === undefined) return undefined;
    const context = this.#createContext(event.connection, bus);
    return whenSettled(run(event, context), () => this.#succeed(context));
  };

  settled(result: unknown): void {
    if (!(result instanceof Outcome)) return;
    const { context, answer, isKept } = result;
    if (context.connection !== undefined) this.#underWay.delete(context.connection);
    if (isKept && context instanceof StateContext) context.keep();
    if (answer !== undefined) context.connection?.send(answer);
  }

  /** The peer hears that its call has failed, and nothing else; supervision does the rest. */
  failed(connection: Connection): boolean {
    const id = this.#underWay.get(connection)?.id;
    this.#underWay.delete(connection);
    if (id !== undefined) connection.send(encodeRefusal(id, { reason: "CALL_FAILED" }));
    return false;
  }

  async stop(): Promise<void> {
    const { bus } = this.#host;
    const stop = this.#description.find("stop") as ((context: object) => unknown) | undefined;
    await stop?.({ bus, ...(this.#cell && { state: this.#cell.state }) });
  }

  #createContext(connection: Connection | undefined, bus: Bus): EventContext {
    return this.#cell === undefined ? { connection, bus } : new StateContext(connection, bus, this.#cell);
  }

  #succeed(context: EventContext, answer?: string): Outcome | undefined {
    return answer === undefined && this.#cell === undefined ? undefined : new Outcome(context, answer, true);
  }

  #onMessage({ data, connection }: MessageEvent, bus: Bus): unknown {
    if (typeof data !== "string") return this.#onBytes(data, connection, bus);
    const frame = readMessage(this.#messages, data);
    if ("issues" in frame) return this.#onInvalid(frame, connection);
    const checked = check(frame.message.input, frame.payload);
    const isSlow = isPromiseLike(checked);
    if (isSlow || frame.id !== undefined) this.#underWay.set(connection, frame);
    if (!isSlow) return this.#onChecked(checked as Checked, frame, connection, bus);
    return checked.then((settled) => {
      if (this.#underWay.get(connection) !== frame) return undefined;
      if (frame.id === undefined) this.#underWay.delete(connection);
      return this.#onChecked(settled as Checked, frame, connection, bus);
    });
  }

  #onBytes(data: Buffer, connection: Connection, bus: Bus): unknown {
    const run = this.#events.get("bytes");
    if (run === undefined) return this.#onInvalid(invalidFrame("a binary frame: expected a text frame"), connection);
    return this.#run(run, data, undefined, connection, bus, (context) => this.#succeed(context));
  }

  #onChecked(checked: Checked, frame: ClientFrame<OwnMessage>, connection: Connection, bus: Bus): unknown {
    const { message, id } = frame;
    if (checked.issues) return this.#onInvalid({ id, ...checked }, connection, message.name);
    if (id === undefined)
      return this.#run(message.run, checked.value, id, connection, bus, (context) => this.#succeed(context));
    return this.#run(message.run, checked.value, id, connection, bus, (context, returned) =>
      this.#answer(message, id, returned, context),
    );
  }

  /** Runs a function for a frame of the peer, which the function may refuse. */
  #run(
    run: UserFunction,
    argument: unknown,
    id: number | undefined,
    connection: Connection,
    bus: Bus,
    then: (context: EventContext, returned: unknown) => unknown,
  ): unknown {
    const context = this.#createContext(connection, bus);
    try {
      const returned = run(argument, context);
      if (!isPromiseLike(returned)) return then(context, returned);
      return Promise.resolve(returned)
        .then((value) => then(context, value))
        .catch((thrown: unknown) => this.#onThrown(thrown, id, context));
    } catch (thrown) {
      return this.#onThrown(thrown, id, context);
    }
  }

  /** The answer of a call: the value as returned, once the schema has accepted the value. */
  #answer({ name, output }: OwnMessage, id: number, returned: unknown, context: EventContext): unknown {
    const finish = (): Outcome | undefined => this.#succeed(context, encodeAnswer(name, id, returned));
    if (output === undefined || !this.#description.definition.checksSent) return finish();
    return whenSettled(check(output, returned), (settled) => {
      const checked = settled as Checked;
      if (checked.issues) throw invalid(answerOf(name), checked);
      return finish();
    });
  }

  #onThrown(thrown: unknown, id: number | undefined, context: EventContext): Outcome {
    if (!isRefusal(thrown)) throw thrown;
    const { reason, message, data } = thrown;
    return new Outcome(context, encodeRefusal(id, { reason, message, data }), false);
  }

  #onInvalid({ id, issues, cause }: InvalidMessage, connection: Connection, name?: string): undefined {
    const { onInvalid } = this.#description;
    this.#underWay.delete(connection);
    const { log } = this.#host;
    if (cause !== undefined) log.error({ err: cause, name, connection: connection.id }, "a schema failed");
    else log.debug({ name, issues, connection: connection.id }, "invalid message");
    if (onInvalid === "answer") connection.send(encodeRefusal(id, { reason: "INVALID_MESSAGE", issues }));
    if (onInvalid === "close") connection.close(INVALID_MESSAGE.code, INVALID_MESSAGE.reason);
    this.#host.invalid(connection);
  }
}

function answerOf(name: string): string {
  return `the answer of ${name}`;
}

function encodeAnswer(name: string, id: number, returned: unknown): string {
  try {
    return encode(id, returned);
  } catch (cause) {
    throw invalid(answerOf(name), { ...refusedFor(NO_JSON), cause });
  }
}

/** Calls `then` at once for any value but a promise: the synchronous road costs no microtask. */
function whenSettled(value: unknown, then: (value: unknown) => unknown): unknown {
  return isPromiseLike(value) ? Promise.resolve(value).then(then) : then(value);
}
