/** The parts of an AsyncAPI 3.1 document that Sendall writes (asyncapi.com/docs/reference/specification/v3.1.0). */

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Names another part of the document. */
export interface AsyncApiReference {
  /** A JSON pointer into the document: `"#/components/messages/say"`. */
  readonly $ref: string;
}

/** A frame of a kind. */
export interface AsyncApiMessage {
  /** The name in the protocol; an answer's ends with `.answer`. */
  readonly name: string;
  /** The name for people. */
  readonly title: string;
  /** What the frame is for. */
  readonly summary: string;
  /** Where in the frame a call and its answer have their id; absent if the place depends on the payload. */
  readonly correlationId?: {
    /** A runtime expression: `"$message.payload#/2"`. */
    readonly location: string;
  };
  /** The whole frame, an array. */
  readonly payload: JsonSchema;
}

/** What the server does with a message. */
export interface AsyncApiOperation {
  /** Seen from the server: `"receive"` for what clients send, `"send"` for what the server sends. */
  readonly action: "receive" | "send";
  /** The only channel. */
  readonly channel: AsyncApiReference;
  /** What the operation is for. */
  readonly summary: string;
  /** The message, as the channel names the message. */
  readonly messages: readonly AsyncApiReference[];
  /** Of a call alone: the answer and the refusal. */
  readonly reply?: {
    /** The channel of the call. */
    readonly channel: AsyncApiReference;
    /** The answer and the refusal. */
    readonly messages: readonly AsyncApiReference[];
  };
}

/** The WebSocket. */
export interface AsyncApiChannel {
  /** The path, with `{name}` for a parameter. */
  readonly address: string;
  /** What the channel is. */
  readonly description: string;
  /** The parameters of the path; absent without parameters. */
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, never>>>>;
  /** Every message in both directions. */
  readonly messages: Readonly<Record<string, AsyncApiReference>>;
  /** Says that the channel is a WebSocket. */
  readonly bindings: {
    /** How a client connects. */
    readonly ws: {
      /** The method of the handshake. */
      readonly method: "GET";
      /** The version of the binding. */
      readonly bindingVersion: "0.1.0";
    };
  };
}

/** An AsyncAPI document, for `JSON.stringify`. */
export interface AsyncApiDocument {
  /** The version of AsyncAPI. */
  readonly asyncapi: "3.1.0";
  /** What the document describes. */
  readonly info: {
    /** The option `title`. */
    readonly title: string;
    /** The option `version`. */
    readonly version: string;
    /** How to read the document. */
    readonly description: string;
  };
  /** The type of every frame. */
  readonly defaultContentType: "application/json";
  /** The WebSocket, as the only channel. */
  readonly channels: {
    /** The WebSocket. */
    readonly connection: AsyncApiChannel;
  };
  /** An operation for each message and call, and for the refusals of messages. */
  readonly operations: Readonly<Record<string, AsyncApiOperation>>;
  /** What the rest of the document refers to. */
  readonly components: {
    /** Every kind of frame. */
    readonly messages: Readonly<Record<string, AsyncApiMessage>>;
    /** Schemas that refer to themselves, or that schemas share; absent if there are none. */
    readonly schemas?: Readonly<Record<string, JsonSchema>>;
  };
}

/** The dialect of all schemas. AsyncAPI's own dialect is of draft 7, in which `prefixItems` means nothing, so that each schema names its dialect. */
export const DIALECT = "https://json-schema.org/draft/2020-12/schema";
