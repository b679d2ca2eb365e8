/**
 * The offer of sessions in a handshake: takes the names of sessions out of `Sec-WebSocket-Protocol` before any other part of the server
 * reads the header, and chooses the name that answers the offer. Listeners read the offer of each request; an offer lives until the
 * gate has decided. The token of a session counts as a password, and stays in Node's request alone.
 */
import type { IncomingMessage } from "node:http";
import { isSessionName, RESUME_PREFIX, SESSION_PROTOCOL, SESSION_SUFFIX } from "../api/session-protocol.js";

/** Names the session that a request takes up again, and what the client has of that session. */
export interface ResumeOffer {
  /** Counts as a password. A copy: a part of the header's text would keep the whole text in memory. */
  readonly token: string;
  /** The number of the last message that the client has handed to its callbacks. */
  readonly received: number;
  /** The sum of all `lost` that the client was told in this session. */
  readonly lost: number;
  /** Grows with each dial of the session, from 1. */
  readonly dial: number;
}

/** What a request says of sessions. */
export interface SessionOffer {
  /** The session that the request takes up again; absent where the request asks for none, for several, or the name is malformed. */
  readonly resume?: ResumeOffer | undefined;
  /** Whether the request names a session of before, malformed or not. */
  readonly asksToResume: boolean;
  /** The headers of the request without the names of sessions: alternating names and values. */
  readonly rawHeaders: readonly string[];
  /** Whether the request takes a session without a subprotocol of the program. */
  readonly isBare: boolean;
  /** The subprotocols of the program that the request takes together with a session. */
  readonly paired: readonly string[];
}

const HEADER = "sec-websocket-protocol";

/** Plain decimals; how large a number may be is checked on the number. */
const NUMBER = "(0|[1-9]\\d{0,15})";
/** A token of 128 random bits in base64url, in a cluster after the name of the node; what the client has, and the number of the dial. */
const RESUME = new RegExp(`^((?:[A-Za-z\\d]+-)?[\\w-]{22})\\.${NUMBER}\\.${NUMBER}\\.${NUMBER}$`);

/** A copy of text in Latin-1: a part of the header's text would keep the whole text in memory, and thereby the token. */
function copyOf(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

/** @param text the name of a session after {@link RESUME_PREFIX}: `<token>.<received>.<lost>.<dial>` @returns `undefined` if malformed */
export function readResumeOffer(text: string): ResumeOffer | undefined {
  const [, token = "", ...digits] = RESUME.exec(text) ?? [];
  const [received = Number.NaN, lost = Number.NaN, dial = 0] = digits.map(Number);
  if (![received, lost, dial].every(Number.isSafeInteger) || dial === 0) return undefined;
  return { token: copyOf(token), received, lost, dial };
}

function isProtocolHeader(name: string): boolean {
  return name.length === HEADER.length && name.toLowerCase() === HEADER;
}

/** Whether a header may have names of sessions. An ordinary request costs a look at each header, and no memory. */
function mayOffer(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const value = rawHeaders[i + 1] ?? "";
    // The value first: a name in lower case may be a copy.
    if (name.length === HEADER.length && value.includes(SESSION_PROTOCOL) && isProtocolHeader(name)) return true;
  }
  return false;
}

/** Sorts the names on offer, in the peer's order. */
class Names {
  readonly paired: string[] = [];
  isBare = false;
  /** Whether any name belongs to sessions. */
  hasAny = false;
  /** The name by which the request asks for a session of before; `null` for several names. */
  resume: string | null | undefined;
  readonly #own = new Set<string>();

  /** @returns the names in a header that belong to the program and were not in an earlier header */
  read(header: string): string[] {
    return header
      .split(",")
      .map((text) => text.trim())
      .flatMap((name) => this.#ownName(name) ?? []);
  }

  #ownName(name: string): string | undefined {
    const own = isSessionName(name) ? this.#pairedName(name) : name;
    if (own === undefined || own === "" || this.#own.has(own)) return undefined;
    this.#own.add(own);
    return own;
  }

  /** @returns the program's part of the name, if any; a token is never a program's */
  #pairedName(name: string): string | undefined {
    this.hasAny = true;
    if (name === SESSION_PROTOCOL) this.isBare = true;
    if (name.startsWith(RESUME_PREFIX)) this.resume = this.resume === undefined || this.resume === name ? name : null;
    const own = name.endsWith(SESSION_SUFFIX) ? name.slice(0, -SESSION_SUFFIX.length) : "";
    if (own === "" || isSessionName(own)) return undefined;
    this.paired.push(own);
    return own;
  }
}

/** @param rawHeaders alternating names and values, from Node @returns `undefined` if no name belongs to sessions */
export function readSessionOffer(rawHeaders: readonly string[]): SessionOffer | undefined {
  if (!mayOffer(rawHeaders)) return undefined;
  const names = new Names();
  const rest: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    if (!isProtocolHeader(name)) {
      rest.push(name, value);
      continue;
    }
    const own = names.read(value);
    if (own.length > 0) rest.push(name, copyOf(own.join(", ")));
  }
  if (!names.hasAny) return undefined;
  const { isBare, paired, resume } = names;
  return {
    rawHeaders: rest,
    isBare,
    paired,
    asksToResume: resume !== undefined,
    resume: resume ? readResumeOffer(resume.slice(RESUME_PREFIX.length)) : undefined,
  };
}

/**
 * The name that answers a handshake.
 *
 * @param protocol the chosen subprotocol of the program, `""` if none
 * @returns `protocol` itself where there is no session
 */
export function answeredProtocol(protocol: string, offer: SessionOffer | undefined): string {
  if (offer === undefined) return protocol;
  if (protocol === "") return offer.isBare ? SESSION_PROTOCOL : "";
  return offer.paired.includes(protocol) ? protocol + SESSION_SUFFIX : protocol;
}

/** Takes the names of sessions out of a plain request: a proxy that loses `Upgrade` leaves the header to the program. */
export function hideSessionNames(request: IncomingMessage): void {
  const offer = readSessionOffer(request.rawHeaders);
  if (offer === undefined) return;
  const { headers } = request;
  const own = offer.rawHeaders.filter((_value, i) => i % 2 === 1 && isProtocolHeader(offer.rawHeaders[i - 1] ?? ""));
  request.rawHeaders = [...offer.rawHeaders];
  if (own.length > 0) headers[HEADER] = own.join(", ");
  else delete headers[HEADER];
}
