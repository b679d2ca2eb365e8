/**
 * The messages of `workers()` between the hub in the primary process and the links in the workers. Packets travel as base64, since the
 * channel between processes carries JSON unless the program chooses otherwise.
 */

/** An end of the channel between the primary process and a worker. */
export interface Port {
  /** @param sent called when the message has left the process, or is lost */
  send(message: PortMessage, sent: () => void): void;
  /** @returns removes the listener */
  listen(listener: (message: unknown) => void): () => void;
}

/** A subject and a packet in base64. With `echo` the packet is for the node that has published the packet, too. */
export type EncodedPacket = readonly [subject: string, packet: string, echo?: true];

/** A message in either direction; `node` is the worker's node which sends or gets the message. */
export type PortMessage =
  | readonly [tag: typeof TAG, verb: "hello" | "welcome" | "bye", node: string]
  | readonly [tag: typeof TAG, verb: "subscribe", node: string, subjects: readonly string[], round: number]
  | readonly [tag: typeof TAG, verb: "subscribed", node: string, round: number]
  | readonly [tag: typeof TAG, verb: "unsubscribe", node: string, subjects: readonly string[]]
  | readonly [tag: typeof TAG, verb: "publish" | "deliver", node: string, batch: readonly EncodedPacket[]];

/** Tells our messages from the program's own messages. */
export const TAG = "sendall";

export function isPortMessage(message: unknown): message is PortMessage {
  return Array.isArray(message) && message[0] === TAG;
}
