/** An upgrade attempt whose route is known, with what the request and the route agree on before anything is decided. */
import { normalPath } from "../options/route-path.js";
import type { AcceptedSession } from "./accepted-upgrade.js";
import type { GatedRoute } from "./gated-route.js";
import { type Head, readPath } from "./request-head.js";
import type { Match } from "./router.js";
import type { OtherNodes } from "./session-desk.js";
import { answeredProtocol, type ResumeOffer, type SessionOffer } from "./session-offer.js";
import { chooseProtocol } from "./subprotocol.js";
import type { UpgradeAttempt } from "./upgrade-attempt.js";

/** What the handshake answers, and which session the request takes up again. */
export interface Terms {
  /** The subprotocol of the program, `""` if none. */
  readonly protocol: string;
  /** The subprotocol that answers the handshake. */
  readonly answered: string;
  /** In the spelling of browsers where there is a session, else as sent. */
  readonly decodedPath: string;
  /** Absent for a plain peer. */
  readonly session: AcceptedSession | undefined;
  /** The session of another node, which has to be told. */
  readonly elsewhere: ResumeOffer | undefined;
}

export interface MatchedAttempt extends Match<GatedRoute>, Terms {
  readonly attempt: UpgradeAttempt;
  /** What trusted proxies report is applied. */
  readonly head: Head;
}

export function readTerms(
  { headers, sessionOffer, sockjs }: UpgradeAttempt,
  head: Head,
  { settings, sessions }: GatedRoute,
  otherNodes: OtherNodes | undefined,
): Terms {
  const decodedPath = readPath(head.url);
  // The frames of SockJS are no subprotocol.
  const hasProtocol = sockjs === undefined || sockjs === "raw";
  const protocol = hasProtocol ? chooseProtocol(settings.protocols, headers) : "";
  const answered = hasProtocol ? answeredProtocol(protocol, sessionOffer) : "";
  if (sessionOffer === undefined || answered === protocol)
    return { protocol, answered, decodedPath, session: undefined, elsewhere: undefined };
  const { resume } = sessionOffer;
  const isElsewhere = sessions !== undefined && resume !== undefined && otherNodes?.hasToken(resume.token) === true;
  return {
    protocol,
    answered,
    decodedPath: normalPath(decodedPath),
    session: isElsewhere ? { resume: undefined, why: "elsewhere" } : sessionOf(sessionOffer),
    elsewhere: isElsewhere ? resume : undefined,
  };
}

/** Until the session is found, the client has come too late. */
function sessionOf({ resume, asksToResume }: SessionOffer): AcceptedSession {
  return { resume, why: asksToResume ? "expired" : "new" };
}
