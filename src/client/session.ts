/**
 * The client's half of a session, and the messages of a client that have not arrived for certain: those that wait for a socket, and those
 * that a socket has taken and the server has not acknowledged. A client has one {@link ClientSession}, which outlives sockets and
 * sessions; each session begins with a welcome. Without a session nobody acknowledges, and a message is forgotten as soon as a socket has
 * taken the message. `wire.ts` has the frames.
 */
import { SESSION_PROTOCOL } from "../api/session-protocol.js";
import { sizeOf } from "./arguments.js";
import type { ClientData, ClientOpening, OfflineOptions } from "./options.js";
import type { CurrentSocket } from "./socket.js";
import type { Welcome } from "./wire.js";

/** Owns the messages whose fate is told to nobody: requests of the client itself, and what is left of an owner that has ended. */
export const NOBODY = null;

/** Who hears of the fate of a message: a channel, the client's own callbacks (`undefined`), or a call, which is told otherwise. */
export type Owner = object | null | undefined;

interface Message {
  /** What to hand to the socket. */
  readonly payload: ClientData;
  /** What the program gave to `send`. */
  readonly given: ClientData;
  readonly bytes: number;
  owner: Owner;
  /** In the session; 0 while the message waits for a socket. */
  number: number;
}

export interface ClientSession {
  /** Whether the server keeps a session. */
  isKept(): unknown;
  /** How many messages wait, or are not acknowledged. */
  left(): number;
  /** The subprotocol to offer in order to go on with the session, in a list; called once for each dial. */
  offer(): string[];
  /**
   * Begins another session, or goes on with the present session, as the welcome says.
   * @returns what to tell the program; `undefined` if the welcome contradicts the present session, which then stays as it is
   */
  begin(welcome: Partial<Welcome>): ClientOpening | undefined;
  /**
   * Called three times after `begin`, with the number of waiting messages from which on messages join them: first with 0, which
   * acknowledges, and writes again what the server has not got; with infinity for `onOpen`, whose messages go before those that wait; then
   * with 1, which writes what waits.
   */
  go(room: number): void;
  /** Nothing is offered any more. */
  over(): void;
  /**
   * Hands a message to the socket, or keeps the message. A request of the client itself has no bounds, and is kept in a session alone.
   * @returns `false` if the message is neither sent nor kept
   */
  put(payload: ClientData, data: ClientData, owner: Owner): boolean;
  /** The server has acknowledged. @returns `false` if the number cannot be */
  forget(number: number): boolean;
  /** A message has come, and the callbacks are about to be called. @returns whether to acknowledge right after the callbacks */
  count(data: string | Uint8Array): boolean;
  acknowledge(): void;
  /** Takes an owner's messages that a session of before has left. */
  tell(owner?: Owner): ClientData[];
  /** Whether a message of an owner waits for a socket. */
  waits(owner: object): boolean;
  /** Takes all messages of an owner that ends. Those that a socket has taken go on, for nobody. */
  leave(owner?: Owner): Rest;
}

interface Rest {
  readonly uncertain: readonly ClientData[];
  readonly unsent: readonly ClientData[];
}

/** Acknowledges after this number of messages, bytes or milliseconds at the latest. */
const MAX_MESSAGES = 64;
const MAX_BYTES = 65_536;
export const ACKNOWLEDGE_MS = 5_000;

/**
 * @param isOpen whether messages may be handed to the socket
 * @param delay the first message that is not acknowledged has come: calls `acknowledge` later
 */
export function createSession(
  bounds: Required<OfflineOptions>,
  socket: Pick<CurrentSocket, "send" | "write">,
  isOpen: () => boolean,
  delay: () => void,
): ClientSession {
  /** What has a number is in the order of the numbers, apart from what waits. */
  const messages = new Set<Message>();
  let bytes = 0;
  /** What a session of before has left, until the owner is told. */
  const orphans = new Set<Message>();
  /** Empty without a session. */
  let token = "";
  let dials = 0;
  /** Numbers of messages of the client: of the last that a socket has taken, and of the last that the server has acknowledged. */
  let written = 0;
  let acknowledged = 0;
  /** Numbers of messages of the server: of the last that has come, and of the last that the client has acknowledged. */
  let received = 0;
  let told = 0;
  let untoldBytes = 0;
  /** How many messages of the server are lost, as the welcomes of the session say. */
  let lost = 0;
  /** A message goes to the socket at once if fewer than this wait. */
  let room = 0;

  const keep = (message: Message): void => {
    messages.add(message);
    bytes += message.bytes;
  };
  const drop = (message: Message): void => {
    if (messages.delete(message)) bytes -= message.bytes;
  };
  /** Hands a message to the open socket. */
  const write = (message: Message): void => {
    drop(message);
    // Numbered first: a socket may call back before `write` has returned.
    if (token) {
      message.number = ++written;
      keep(message);
    }
    socket.send(message.payload);
  };
  const forget = (number: number): boolean => {
    if (!token) return true;
    if (number < acknowledged || number > written) return false;
    for (const message of messages) {
      if (message.number > number) break;
      if (message.number) drop(message);
    }
    acknowledged = number;
    return true;
  };
  const tell = (owner?: Owner): ClientData[] =>
    [...orphans].filter((message) => message.owner === owner && orphans.delete(message)).map(({ given }) => given);
  const answer = (): void => {
    told = received;
    untoldBytes = 0;
    if (token) socket.write(`~a${told}`);
  };
  const acknowledge = (): unknown => received > told && isOpen() && answer();

  return {
    isKept: () => token,
    left: () => messages.size,
    offer: () => (token ? [`${SESSION_PROTOCOL}.${token}.${received}.${lost}.${++dials}`] : []),
    begin({ session, resumed = false, why = "plain", received: taken = 0, from = 0, replayed = 0, lost: more = 0 }) {
      const isBroken = resumed
        ? session !== token || from < received || from - received > more || !forget(taken)
        : taken + from;
      if (isBroken) return undefined;
      if (!resumed) {
        for (const message of messages)
          if (message.number || message.owner === NOBODY) {
            drop(message);
            if (message.owner !== NOBODY) orphans.add(message);
          }
        written = acknowledged = lost = dials = 0;
        token = session ?? "";
      }
      lost += more;
      received = from;
      return { resumed, why, replayed, lost: more, uncertain: tell() };
    },
    go(size) {
      room = size;
      if (!room) answer();
      for (const message of messages)
        if (!room && message.number) socket.send(message.payload);
        else if (room === 1 && !message.number && isOpen()) write(message);
    },
    over() {
      token = "";
    },
    put(payload, data, owner) {
      const waiting = messages.size - written + acknowledged;
      const isDirect = isOpen() && waiting < room;
      // What a socket takes and nobody acknowledges has no bound.
      const size = isDirect && !token ? 0 : sizeOf(payload);
      const isBeyond =
        owner === NOBODY
          ? !token && !isOpen()
          : bytes + size > bounds.maxBytes || (!isDirect && waiting >= bounds.maxMessages);
      if (isBeyond) return false;
      const message: Message = { payload, given: data, bytes: size, owner, number: 0 };
      if (isDirect) write(message);
      else keep(message);
      return true;
    },
    forget,
    count(data) {
      if (!token) return false;
      untoldBytes += sizeOf(data);
      if (++received === told + 1) delay();
      return received >= told + MAX_MESSAGES || untoldBytes >= MAX_BYTES;
    },
    acknowledge,
    tell,
    waits: (owner) => [...messages].some((message) => message.owner === owner && !message.number),
    leave(owner) {
      const uncertain = tell(owner);
      const unsent: ClientData[] = [];
      for (const message of messages)
        if (message.owner === owner) {
          message.owner = NOBODY;
          (message.number ? uncertain : unsent).push(message.given);
          if (!message.number) drop(message);
        }
      // The client itself leaves last.
      if (!owner) messages.clear();
      return { uncertain, unsent };
    },
  };
}
