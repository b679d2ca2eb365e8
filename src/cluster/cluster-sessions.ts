/**
 * Sessions in a cluster: tokens name the node that has the session, and a node that gives a fresh session to a client of another node tells
 * the other node, where the session of before ends. Belongs to the relay and lasts as long.
 */
import type { MovedSession, OtherNodes, SessionDesk } from "../admission/session-desk.js";
import { readResumeOffer } from "../admission/session-offer.js";
import { bufferOf } from "../runtime/buffer-of.js";
import { encodeFrame, type Frame } from "../transport/frame.js";
import type { EnvelopeAddress } from "./packet.js";

/** What the sessions need of the relay. */
export interface SessionRelay {
  /** The node's id: 12 hexadecimal digits. */
  readonly node: string;
  /** Sends to the node in the id of the target. */
  send(frame: Frame, address: EnvelopeAddress): 0 | 1;
}

/** The scope of what nodes tell each other of sessions. No route has the scope: a node without sessions drops the envelope. */
export const SESSION_SCOPE = "@sessions";

/** Follows the node's id in the target of the envelope. */
const MOVED = "moved";

/** The id of the node in a token. */
const NODE = /^([0-9a-f]{12})-/;

export class ClusterSessions implements OtherNodes {
  readonly #relay: SessionRelay;
  readonly #desks = new Map<string, SessionDesk>();

  constructor(relay: SessionRelay) {
    this.#relay = relay;
  }

  /** @param desk absent for a route without sessions */
  attach(route: string, desk: SessionDesk | undefined): void {
    if (desk !== undefined) this.#desks.set(route, desk);
  }

  /** @returns the token of a session within the cluster: the id of the node, a hyphen, the token within the node */
  tokenOf(token: string): string {
    return `${this.#relay.node}-${token}`;
  }

  hasToken(token: string): boolean {
    const node = nodeOf(token);
    return node !== undefined && node !== this.#relay.node;
  }

  tellMoved({ route, decodedPath, protocol, offer }: MovedSession): void {
    const { token, received, lost, dial } = offer;
    const notice = [route, decodedPath, protocol, [token, received, lost, dial].join(".")];
    const target = `${nodeOf(token)}.${MOVED}`;
    this.#relay.send(encodeFrame(JSON.stringify(notice)), { target, scope: SESSION_SCOPE });
  }

  /** @returns `false` for a notice that cannot be read, and for a session of another node */
  receive(target: string, payload: Uint8Array): boolean {
    if (target !== `${this.#relay.node}.${MOVED}`) return false;
    const [route, decodedPath, protocol, text] = readNotice(payload);
    const offer = text === undefined ? undefined : readResumeOffer(text);
    if (route === undefined || decodedPath === undefined || protocol === undefined || offer === undefined) return false;
    if (nodeOf(offer.token) !== this.#relay.node) return false;
    this.#desks.get(route)?.moved(offer, decodedPath, protocol);
    return true;
  }
}

function nodeOf(token: string): string | undefined {
  return NODE.exec(token)?.[1];
}

/** @returns the parts of a notice; none if the notice cannot be read */
function readNotice(payload: Uint8Array): string[] {
  try {
    const notice: unknown = JSON.parse(bufferOf(payload).toString());
    return Array.isArray(notice) && notice.every((part) => typeof part === "string") ? notice : [];
  } catch {
    return [];
  }
}
