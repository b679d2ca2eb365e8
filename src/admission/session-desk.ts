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
   * The session that the offer takes up again, if the session lives, and belongs to the decoded path and to the subprotocol of the
   * program; `undefined` for impossible numbers and for a late dial. Changes nothing.
   */
  find(offer: ResumeOffer, decodedPath: string, protocol: string): LiveSession | undefined;
  /**
   * Whether the answer to the offer is a close frame alone, without a connection: our side has ended the session, or the dial is late.
   * Such a request needs no slot. Changes nothing.
   */
  isFarewell(offer: ResumeOffer, decodedPath: string, protocol: string): boolean;
  /** The connection that is away longest; with an address, the longest of the connections whose slot counts for the address. */
  oldestAway(remoteAddress?: string): AwaySession | undefined;
  /** Another node has given a fresh session to the client of this session: ends the session with the reason "moved". */
  moved(offer: ResumeOffer, decodedPath: string, protocol: string): void;
}

/** The other nodes of a cluster, as far as sessions are concerned. */
export interface OtherNodes {
  /** Whether the token names another node. */
  hasToken(token: string): boolean;
  /** Tells the node named by the token that this node has given a fresh session to the client. */
  tellMoved(moved: MovedSession): void;
}

/** A session whose client has come to another node. */
export interface MovedSession {
  /** The path of the route, from `routes`. */
  readonly route: string;
  readonly decodedPath: string;
  /** The subprotocol of the program, `""` if none. */
  readonly protocol: string;
  readonly offer: ResumeOffer;
}
