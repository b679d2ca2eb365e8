/**
 * The names of the subprotocol of sessions, as a handshake carries them (RFC 6455 section 1.9). The server answers an offer with the
 * names, and refuses the names as a program's own subprotocols. Nothing of Node is imported.
 */

/** The subprotocol of sessions, without a subprotocol of the program. */
export const SESSION_PROTOCOL = "sendall.1";

/** Follows the name of a program's subprotocol that is on offer together with sessions: `chat+sendall.1`. */
export const SESSION_SUFFIX: string = `+${SESSION_PROTOCOL}`;

/** Begins the name by which a client asks for a session of before. The token in the name counts as a password. */
export const RESUME_PREFIX: string = `${SESSION_PROTOCOL}.`;

/** What of a name belongs to sessions. */
const OF_SESSIONS = /^sendall\.1($|\..*)|\+sendall\.1$/;

/** Whether a name belongs to sessions, and never to a program. No name does not. */
export function isSessionName(name: string | undefined): boolean {
  return OF_SESSIONS.test(name as string);
}

/** The part of a name that is a program's, `""` if there is none. */
export function ownName(name: string): string {
  return name.replace(OF_SESSIONS, "");
}
