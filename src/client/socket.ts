/**
 * The current socket of a client, for any class in the shape of a browser's `WebSocket`. The differences between the classes of browsers,
 * `ws`, Node and the test runtime end here, and those between sessions and plain sockets. A client has one {@link CurrentSocket}, which
 * dials anew for each attempt; events of earlier sockets are ignored.
 */
import { ABNORMAL, isFinalCode } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { isSessionName, ownName } from "../api/session-protocol.js";
import { attempt, messageOf } from "./attempt.js";
import type { ClientState } from "./machine.js";
import type { ClientData } from "./options.js";
import { soon } from "./soon.js";
import {
  ADVICE,
  BAD_WELCOME,
  badFrameText,
  connectionText,
  IS_WORDY,
  NO_ANSWER,
  NO_CAUSE,
  NO_WELCOME,
  unreadableText,
} from "./texts.js";
import type { WebSocketLike, WebSocketLikeEvent } from "./web-socket.js";
import { escapeText, HEARTBEAT, isControl, isMalformed, readText, readWelcome, type Welcome } from "./wire.js";

/** Members that some classes have in addition to a browser's `WebSocket`: the classes of Node, and of the test runtime. */
interface SocketExtensions {
  /** The refusal of the upgrade, if any. */
  readonly refused?: SendallError | undefined;
  /** Whether another upgrade would be refused, too. */
  readonly isFinal?: boolean | undefined;
  /** Puts an error into words. */
  problemOf?(error: unknown): string;
  /** Whether an error was caused by a broken frame. */
  isFault?(error: unknown): boolean;
  terminate?(): void;
}

type OwnSocket = WebSocketLike & SocketExtensions;

/** Listens to the current socket. `onClosed` follows each `dial`. No call comes before the method that caused it has returned. */
export interface SocketListener {
  /** The state of the client. */
  stateOf(): ClientState;
  /** The subprotocol that asks for the session of before, if there is one; called once for each `dial`. */
  offer(): readonly string[];
  /** The handshake has selected a session, whose welcome has not come. */
  onUpgraded(): void;
  /** Messages may be sent. @param welcome empty on a plain socket @returns `false` for a welcome that cannot be */
  onOpened(welcome: Partial<Welcome>): boolean;
  /** A frame has come. @param data absent for a sign of life that is no message @param error why the message is unreadable */
  onFrame(data?: string | Uint8Array, error?: SendallError): void;
  /** The server has acknowledged. @returns `false` for a number that cannot be */
  onAcknowledged(number: number): boolean;
  onFailed(error: SendallError): void;
  /** May be called again if the client is closed before the call. @param isFinal another socket would end in the same way */
  onClosed(code: number, isFinal: boolean, reason: string, wasClean: boolean): void;
}

/** An address with the function that makes a socket for the address. */
export interface Dialing {
  /** For errors, if they are wordy. */
  readonly url?: string;
  readonly create: () => WebSocketLike;
}

/**
 * Called for each attempt. @param resume the subprotocol to offer in addition, if there is a session to go on with. A `SendallError` (an option or a callback of the user has failed) ends the attempt, any other error the client.
 */
export type SocketFactory = (resume: readonly string[]) => Dialing | Promise<Dialing>;

const OPEN = 1;
/** Tells a server that the server does not keep to the wire of sessions. */
const BROKEN = 1002;

/** Code and reason of the client's close frame; nothing before the client closes. */
export type CloseArguments = [code?: number, reason?: string];

/** The current socket of a client, or the attempt to make one. */
export interface CurrentSocket {
  bufferedAmount(): number;
  /** The program's part of the selected subprotocol, `""` without a connection. */
  protocol(): string;
  /** Whether the handshake has selected a session. */
  isSession(): boolean;
  /** Whether the socket takes messages. */
  isOpen(): boolean;
  /** Hands a message to the open socket. */
  send(data: ClientData): void;
  /** Hands a frame to the socket, if the socket is open. */
  write(frame: ClientData): void;
  dial(): unknown;
  /** Asks the server of a session for a sign of life. */
  ask(): void;
  close(...farewell: CloseArguments): void;
  terminate(): void;
}

/**
 * @param needsAdvice whether a failure to connect is worth advice: the client asks for a session, and never was open
 * @param url `""` until the address is known
 */
export function createSocket(
  factory: SocketFactory,
  listener: SocketListener,
  needsAdvice: boolean,
  url: string,
): CurrentSocket {
  /** An empty object until there is a socket; absent between two attempts. */
  let current: Partial<OwnSocket> | undefined;

  const isSession = (): boolean => isSessionName(current?.protocol);
  const failure = (problem: string, cause?: unknown): SendallError => {
    const text = IS_WORDY ? connectionText(url, listener.stateOf() === "open", problem) : problem;
    const advice = IS_WORDY && needsAdvice ? ADVICE : "";
    needsAdvice = false;
    return new SendallError("CONNECTION_FAILED", text + advice, { cause });
  };
  /** Gives the socket up, and tells of the end after the present call has returned. @returns the socket */
  const end = (error?: SendallError, code = ABNORMAL, isFinal = false): OwnSocket => {
    const ended = current;
    current = undefined;
    soon(() => {
      if (error) listener.onFailed(error);
      listener.onClosed(code, isFinal, "", false);
    });
    // Maybe no socket: what is called then throws, in `attempt`.
    return ended as OwnSocket;
  };
  const breakOff = (problem: string, code = BROKEN, cause?: unknown): void => {
    const socket = end(failure(problem, cause), code, code === BROKEN);
    // Browsers let no page send 1002.
    attempt(() => socket.close(code));
    attempt(() => socket.close());
  };
  const isOpen = (): boolean => current?.readyState === OPEN;
  const write = (data: ClientData): void => {
    try {
      // A class of the user may take what its type says alone. Each view has a buffer of its own (`checkData`).
      if (isOpen()) (current as OwnSocket).send(data instanceof Uint8Array ? (data.buffer as ArrayBuffer) : data);
    } catch (error) {
      // How much has left is not known: the socket is lost, and without a session the message, too.
      breakOff(messageOf(error), ABNORMAL, error);
    }
  };
  const open = (welcome: Partial<Welcome>): void => {
    needsAdvice = false;
    if (!listener.onOpened(welcome)) breakOff(BAD_WELCOME);
  };
  const onFrame = (frame: unknown): void => {
    const isText = typeof frame === "string";
    const isOfSession = isText && isSession();
    if (listener.stateOf() === "connecting") {
      const welcome = readWelcome(frame);
      if (welcome) open(welcome);
      else breakOff(NO_WELCOME);
    } else if (isOfSession && isControl(frame)) {
      if (isMalformed(frame, listener.onAcknowledged)) breakOff(badFrameText(frame));
      else listener.onFrame();
    } else if (isText) listener.onFrame(isOfSession ? readText(frame) : frame);
    // Not `instanceof`, which fails for a buffer of another realm.
    else if (((frame as ArrayBuffer | null)?.byteLength as number) >= 0)
      listener.onFrame(new Uint8Array(frame as ArrayBuffer));
    else listener.onFrame("", failure(unreadableText(frame)));
  };
  const create = (dialing: Dialing): void => {
    if (IS_WORDY) url = dialing.url ?? url;
    const socket: OwnSocket = dialing.create();
    const on = (type: "open" | "message" | "error" | "close", handle: (event: WebSocketLikeEvent) => void): void =>
      socket.addEventListener(type, (event) => {
        if (current === socket) handle(event);
      });
    socket.binaryType = "arraybuffer";
    on("open", () => {
      if (isSession()) listener.onUpgraded();
      else open({});
    });
    // As in browsers, what arrives while the socket is closing is ignored: among others a late welcome.
    on("message", ({ data }) => {
      if (listener.stateOf() !== "closing") onFrame(data);
    });
    // Never removed: an error of a `ws` socket without a listener would end the process.
    on("error", ({ error, message }) => {
      const problem = socket.problemOf?.(error) || message || (error as Error | undefined)?.message || NO_CAUSE;
      // While closing, report only a broken frame: the client wanted the connection to end.
      if (listener.stateOf() !== "closing" || socket.isFault?.(error))
        listener.onFailed(socket.refused ?? failure(problem, error));
    });
    on("close", ({ code = ABNORMAL, reason = "", wasClean = false }) => {
      current = undefined;
      listener.onClosed(code, socket.isFinal ?? isFinalCode(code), reason, wasClean);
    });
    current = socket;
  };

  return {
    protocol: () => ownName(current?.protocol ?? ""),
    isSession,
    bufferedAmount: () => current?.bufferedAmount ?? 0,
    isOpen,
    write,
    send: (data) => write(typeof data === "string" && isSession() ? escapeText(data) : data),
    async dial() {
      const own = {};
      current = own;
      try {
        const dialing = factory(listener.offer());
        const ready = "then" in dialing ? await dialing : dialing;
        // The attempt may have been given up meanwhile.
        if (current === own) create(ready);
      } catch (error) {
        const isOurs = error instanceof SendallError;
        // The runtime has no class, or the class refuses the address or the protocols: another attempt would fail in the same way.
        if (current === own) end(isOurs ? error : failure(messageOf(error), error), ABNORMAL, !isOurs);
      }
    },
    ask() {
      write(HEARTBEAT);
    },
    close(...farewell) {
      const socket = current?.close ? (current as OwnSocket) : end();
      // No close frame can carry a code before the socket is open. A socket that cannot close is cut later.
      attempt(() => socket.close(...((socket.readyState ? farewell : []) as CloseArguments)));
    },
    terminate() {
      const socket = end(listener.stateOf() === "closing" ? undefined : failure(NO_ANSWER));
      attempt(() => (socket.terminate ?? socket.close).call(socket));
    },
  };
}
