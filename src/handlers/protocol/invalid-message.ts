/** Why a frame reaches no function of a protocol's handler, and what the peer is told. */
import type { MessageIssue } from "../../api/errors.js";

/** A frame that is no message of the protocol. */
export interface InvalidMessage {
  /** The id of the call, if the frame has an id. */
  readonly id: number | undefined;
  readonly issues: readonly MessageIssue[];
  /** What a schema has thrown. */
  readonly cause?: unknown;
}

/** A name of a peer's may be long. */
const MAX_NAME = 100;

/** The frame as a whole is wrong. */
export function invalidFrame(message: string, id?: number): InvalidMessage {
  return { id, issues: [{ path: "", message }] };
}

/** Names the name, so that logs and peers tell which version of a program still sends it. */
export function unknownName(name: string, id: number | undefined): InvalidMessage {
  return invalidFrame(`unknown name ${JSON.stringify(name.slice(0, MAX_NAME))}`, id);
}
