/** The messages and operations of a document, from the names of a protocol. */
import type { ClientMessage, Definition } from "../protocol/definition.js";
import type { Schema } from "../protocol/standard-schema.js";
import { REFUSED } from "../protocol/wire.js";
import { type DescribedPayload, describePayload, type PayloadContext } from "./describe-payload.js";
import type { AsyncApiMessage, AsyncApiOperation, AsyncApiReference, JsonSchema } from "./document.js";
import { answerFrame, CALL_REFUSED_FRAME, callFrame, MESSAGE_REFUSED_FRAME, messageFrame } from "./frames.js";
import { Keys } from "./keys.js";

/** What a document says of a protocol. */
export interface ProtocolParts {
  readonly messages: Readonly<Record<string, AsyncApiMessage>>;
  /** The messages as the channel has them. */
  readonly references: Readonly<Record<string, AsyncApiReference>>;
  readonly operations: Readonly<Record<string, AsyncApiOperation>>;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

const CHANNEL: AsyncApiReference = { $ref: "#/channels/connection" };

/** Where in the frame the id of a call is. */
function idAt(place: number): Pick<AsyncApiMessage, "correlationId"> {
  return { correlationId: { location: `$message.payload#/${place}` } };
}

function inChannel(key: string): AsyncApiReference {
  return { $ref: `#/channels/connection/messages/${key}` };
}

/** A name of the protocol with its key in the document. */
interface Named<T> {
  readonly name: string;
  readonly key: string;
  readonly value: T;
}

function named<T>(values: ReadonlyMap<string, T>, keys: readonly string[]): Named<T>[] {
  return [...values].map(([name, value], i) => ({ name, value, key: keys[i] ?? name }));
}

class PartsBuilder {
  readonly messages = new Map<string, AsyncApiMessage>();
  readonly operations = new Map<string, AsyncApiOperation>();
  readonly #keys = new Keys();
  readonly #context: PayloadContext;
  #callRefused: string | undefined;

  constructor(context: PayloadContext) {
    this.#context = context;
  }

  /** Names of the protocol have their keys before the document adds messages of its own. */
  build({ fromClient, fromServer }: Definition): void {
    const sentKeys = [...fromServer.keys()].map((name) => (fromClient.has(name) ? `${name}.fromServer` : name));
    const keys = this.#keys.takeAll([...fromClient.keys(), ...sentKeys]);
    const received = named(fromClient, keys);
    const sent = named(fromServer, keys.slice(fromClient.size));
    const hasCalls = received.some(({ value }) => value.output !== undefined);
    this.#callRefused = hasCalls ? this.#keys.take("callRefused") : undefined;
    for (const message of received) this.#addReceived(message);
    for (const message of sent) this.#addSent(message);
    this.#addRefusals();
  }

  #describe(schema: Schema, name: string, key: string): DescribedPayload {
    return describePayload(schema, name, key, this.#context);
  }

  #addReceived({ name, key, value: { input, output } }: Named<ClientMessage>): void {
    if (output !== undefined) {
      this.#addCall(name, key, input, output);
      return;
    }
    const payload = messageFrame(name, this.#describe(input, `fromClient.${name}`, key));
    this.messages.set(key, { name, title: name, summary: "A message of a client.", payload });
    this.#addOperation("receive", key, `A client sends ${name}.`);
  }

  #addCall(name: string, key: string, input: Schema, output: Schema): void {
    const described = this.#describe(input, `fromClient.${name}.input`, key);
    const place = { always: 2, never: 1, optional: undefined }[described.presence];
    this.messages.set(key, {
      name,
      title: name,
      summary: "A call of a client.",
      ...(place !== undefined && idAt(place)),
      payload: callFrame(name, described),
    });
    const answerKey = this.#keys.take(`${key}.answer`);
    this.messages.set(answerKey, {
      name: `${name}.answer`,
      title: `The answer to ${name}`,
      summary: "The answer to a call.",
      ...idAt(0),
      payload: answerFrame(this.#describe(output, `fromClient.${name}.output`, answerKey)),
    });
    const reply = { channel: CHANNEL, messages: [answerKey, this.#callRefused ?? ""].map(inChannel) };
    this.#addOperation("receive", key, `A client calls ${name}.`, reply);
  }

  #addSent({ name, key, value: schema }: Named<Schema>): void {
    const payload = messageFrame(name, this.#describe(schema, `fromServer.${name}`, key));
    this.messages.set(key, { name, title: name, summary: "A message of the server.", payload });
    this.#addOperation("send", key, `The server sends ${name}.`);
  }

  #addRefusals(): void {
    if (this.#callRefused !== undefined)
      this.messages.set(this.#callRefused, {
        name: "callRefused",
        title: "A call is refused",
        summary: "In place of the answer: the call is invalid, the handler refuses the call, or fails.",
        ...idAt(0),
        payload: CALL_REFUSED_FRAME,
      });
    const key = this.#keys.take("messageRefused");
    this.messages.set(key, {
      name: REFUSED,
      title: "A message is refused",
      summary: "A message, or a call without an id, is invalid or unknown, or the handler refuses the message.",
      payload: MESSAGE_REFUSED_FRAME,
    });
    this.#addOperation("send", key, "The server refuses a message.");
  }

  #addOperation(
    action: AsyncApiOperation["action"],
    key: string,
    summary: string,
    reply?: AsyncApiOperation["reply"],
  ): void {
    const messages = [inChannel(key)];
    this.operations.set(key, { action, channel: CHANNEL, summary, messages, ...(reply && { reply }) });
  }
}

/** @param warn is told of each payload without JSON Schema */
export function partsOf(definition: Definition, warn: (text: string) => void): ProtocolParts {
  const shared = new Map<string, JsonSchema>();
  const builder = new PartsBuilder({ keys: new Keys(), shared, warn });
  builder.build(definition);
  const references = [...builder.messages.keys()].map(
    (key) => [key, { $ref: `#/components/messages/${key}` }] as const,
  );
  return {
    messages: Object.fromEntries(builder.messages),
    references: Object.fromEntries(references),
    operations: Object.fromEntries(builder.operations),
    schemas: Object.fromEntries(shared),
  };
}
