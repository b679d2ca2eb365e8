/** What a client needs of a protocol, and the settings of a channel, which may have a protocol. */
import type { ProtocolSpec } from "../protocol/spec.js";
import type { CreateTypedHalf } from "../protocol/typed-client.js";
import type { ChannelOptions } from "./options.js";

/** A protocol of `sendall/protocol`, as much as a client needs. */
export interface ClientProtocol<S extends ProtocolSpec> {
  /** @hidden */
  readonly "~sendall": { readonly spec?: S; readonly createClient: CreateTypedHalf };
}

/** The spec of a protocol, or the spec itself. */
export type SpecOf<P> = P extends { readonly "~sendall": { readonly spec?: infer S } }
  ? Extract<S, ProtocolSpec>
  : Extract<P, ProtocolSpec>;

/** The options of a channel, checked. The typed half reads the members of `on` and `calls`. */
export interface ChannelSettings extends ChannelOptions {
  readonly protocol?: ClientProtocol<ProtocolSpec> | undefined;
  readonly on?: Readonly<Record<string, unknown>> | undefined;
  readonly calls?: object | undefined;
}
