/**
 * The sessions of a route as the gate sees the sessions: which session a request may take up again, and which connection makes room when
 * the server is full. The route implements the desk; the desk lasts as long as the route.
 */
import type { CloseReason } from "../api/close-codes.js";
import type { Connection } from "../api/connection.js";
import type { ResumeOffer } from "./session-offer.js";

/** A session that has not ended. */
export interface LiveSession {
  readonly connection: Connection;
  /** Ends the session by our side: the request that was to take up the session was refused. */
  end(reason: CloseReason): void;
}

/** A connection without a socket, which may have to make room. */
export interface AwaySession {
  /** When the socket was lost. */
  readonly awaySince: number;
  /** Ends the session with the reason "too many away", and frees its slot in the same stack. */
  makeRoom(): void;
}

export interface SessionDesk {
  /**
   * The session that the offer names, if the session lives and belongs to the decoded path and to the subprotocol of the program. Changes
   * nothing.
   */
  find(offer: ResumeOffer, decodedPath: string, protocol: string): LiveSession | undefined;
  /** The connection that is away longest; with an address, the longest of those that came from the address. */
  oldestAway(remoteAddress?: string): AwaySession | undefined;
  /** Another node has given a fresh session to the client of this session: ends the session with the reason "moved". */
  moved(offer: ResumeOffer, decodedPath: string, protocol: string): void;
}
