/**
 * The current socket of a client, for any class in the shape of a browser's `WebSocket`. The differences between the classes of browsers,
 * `ws`, Node and the test runtime end here, and those between sessions and plain sockets. A client has one {@link CurrentSocket}, which
 * dials anew for each attempt; events of earlier sockets are ignored.
 */
import { ABNORMAL, isFinalCode } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";
import { attempt } from "./attempt.js";
import { soon } from "./soon.js";
import {
  escapeText,
  HEARTBEAT,
  isMalformed,
  isSession,
  ownProtocol,
  readText,
  readWelcome,
  type Welcome,
} from "./wire.js";

/** An event of a socket; each type of event has some of the properties. */
export interface WebSocketLikeEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
  readonly message?: string;
  readonly error?: unknown;
}

/** The part of the WHATWG's `WebSocket` that a client needs. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketLikeEvent) => void): void;
}

/** A message as handed to a socket. Bytes are a copy, which the client alone has. */
export type Message = string | ArrayBuffer;

/** A class of {@link WebSocketLike} sockets. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

/** Members that some classes have in addition to a browser's `WebSocket`: the classes of Node, and of the test runtime. */
interface SocketExtensions {
  /** The refusal of the upgrade, if any. */
  readonly refused?: Error | undefined;
  /** Whether another upgrade would be refused, too. */
  readonly isFinal?: boolean | undefined;
  /** Puts an error into words. */
  problemOf?(error: unknown): string;
  terminate?(): void;
  ping?(): void;
  on?(type: "ping", listener: (data: unknown) => void): void;
}

/** How a socket ended. `isFinal` means that another socket would end in the same way. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly isFinal: boolean;
}

/** Listens to the current socket. `onClosed` is called once for each `dial`. No call comes before the method that caused it has returned. */
export interface SocketListener {
  /** The handshake has selected a session, whose welcome has not come. */
  onUpgraded(): void;
  /** Messages may be sent. @param welcome absent on a plain socket */
  onOpened(welcome: Welcome | undefined): void;
  /** Anything has come; called before `onOpened` and `onMessage`. */
  onHeard(): void;
  /** A ping has come on a plain socket. Only some classes tell. */
  onPinged(): void;
  onMessage(data: string | Uint8Array): void;
  onFailed(error: Error): void;
  onClosed(end: SocketEnd): void;
}

/** An address with the function that makes a socket for the address. */
export interface Dialing {
  readonly url: string;
  readonly create: () => WebSocketLike;
}

/** Called for each attempt. A `SendallError` (an option or a callback of the user has failed) ends the attempt, any other error the client. */
export type SocketFactory = () => Dialing | Promise<Dialing>;

const CONNECTING = 0;
const OPEN = 1;
/** The end of an attempt that never connected, or of a connection that ended without a close frame. */
const LOST: SocketEnd = { code: ABNORMAL, reason: "", wasClean: false, isFinal: false };
/** The end of a connection whose server does not keep to the wire of sessions. */
const BROKEN: SocketEnd = { ...LOST, code: 1002, isFinal: true };
const ADVICE = "; a server other than Sendall needs the option session: false";

export class CurrentSocket {
  readonly #factory: SocketFactory;
  readonly #listener: SocketListener;
  /** Follows "the connection" in messages. */
  #to: string;
  /** Whether a failure to connect is worth advice: none was reported, and the client was never open. */
  #needsAdvice: boolean;
  /** Identifies the attempt or connection; absent between two. */
  #attempt: object | undefined;
  #socket: (WebSocketLike & SocketExtensions) | undefined;
  #isSession = false;
  #isOpen = false;
  /** The client has closed the socket; a failure to open is no error any more. */
  #isClosing = false;
  /** An end is about to be reported. */
  #isEnding = false;

  /** @param url for messages, `""` if the address is asked for at each attempt */
  constructor(url: string, factory: SocketFactory, listener: SocketListener, isSession: boolean) {
    this.#to = url && ` to ${url}`;
    this.#factory = factory;
    this.#listener = listener;
    this.#needsAdvice = isSession;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get protocol(): string {
    return this.#isOpen ? ownProtocol(this.#socket?.protocol ?? "") : "";
  }

  /** Hands a message to the socket. @returns `false` if no open socket takes the message */
  send(data: Message): boolean {
    return this.#isOpen && this.#write(this.#isSession && typeof data === "string" ? escapeText(data) : data);
  }

  dial(): void {
    const own = {};
    this.#attempt = own;
    this.#isOpen = this.#isClosing = false;
    const ifCurrent =
      <A>(handle: (argument: A) => void) =>
      (argument: A) => {
        if (this.#attempt === own) handle(argument);
      };
    const create = ({ url, create: createSocket }: Dialing): void => {
      this.#to = ` to ${url}`;
      try {
        const socket: WebSocketLike & SocketExtensions = createSocket();
        this.#socket = socket;
        socket.binaryType = "arraybuffer";
        // Never removed: an error of a `ws` socket without a listener would end the process.
        socket.addEventListener(
          "open",
          ifCurrent(() => this.#onOpen(socket)),
        );
        socket.addEventListener(
          "message",
          ifCurrent(({ data }) => this.#onFrame(data)),
        );
        socket.addEventListener(
          "error",
          ifCurrent((event) => this.#onError(event, socket)),
        );
        socket.addEventListener(
          "close",
          ifCurrent((event) => this.#onClose(event, socket)),
        );
        socket.on?.(
          "ping",
          ifCurrent(() => this.#onPing()),
        );
      } catch (error) {
        this.#onCannotStart(error);
      }
    };
    const dialing = this.#factory();
    if ("url" in dialing) create(dialing);
    else
      dialing.then(
        ifCurrent(create),
        ifCurrent((error) => this.#onCannotStart(error)),
      );
  }

  /** Asks the server for a sign of life. */
  ask(): void {
    if (this.#isSession) this.#write(HEARTBEAT);
    else this.#socket?.ping?.();
  }

  close(code: number, reason: string): void {
    const socket = this.#socket;
    this.#isClosing = true;
    if (socket === undefined) this.#end(LOST);
    // No close frame can carry a code before the socket is open.
    else if (socket.readyState === CONNECTING) socket.close();
    else socket.close(code, reason);
  }

  terminate(): void {
    const socket = this.#socket;
    this.#end(LOST, this.#isClosing ? undefined : this.#failure("it did not answer in time"));
    if (socket?.terminate) socket.terminate();
    else socket?.close();
  }

  #write(data: Message): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  /** The runtime has no class, or the class refuses the address or the protocols: another attempt would fail in the same way. */
  #onCannotStart(cause: unknown): void {
    if (cause instanceof SendallError) this.#end(LOST, cause);
    else this.#end({ ...LOST, isFinal: true }, this.#failure(messageOf(cause), cause));
  }

  #onOpen({ protocol }: WebSocketLike): void {
    if (this.#isClosing) return;
    this.#isSession = isSession(protocol);
    if (this.#isSession) this.#listener.onUpgraded();
    else this.#open();
  }

  #open(welcome?: Welcome): void {
    this.#isOpen = true;
    this.#needsAdvice = false;
    this.#listener.onHeard();
    this.#listener.onOpened(welcome);
  }

  #onPing(): void {
    this.#listener.onHeard();
    if (this.#isOpen && !this.#isSession) this.#listener.onPinged();
  }

  #onFrame(frame: unknown): void {
    const { onHeard, onMessage, onFailed } = this.#listener;
    if (!this.#isOpen) {
      const welcome = readWelcome(frame);
      if (welcome) this.#open(welcome);
      else this.#break("the server has selected sendall.1, but its first frame is no welcome");
      return;
    }
    onHeard();
    const message = typeof frame === "string" ? (this.#isSession ? readText(frame) : frame) : bytesOf(frame);
    if (message !== undefined) onMessage(message);
    else if (typeof frame !== "string")
      onFailed(this.#failure(`a message came as ${show(frame)}, not as an ArrayBuffer`));
    else if (isMalformed(frame)) this.#break(`the server has sent the malformed control frame ${show(frame)}`);
  }

  /** The server does not keep to the wire of sessions. */
  #break(problem: string): void {
    const socket = this.#socket;
    this.#end(BROKEN, this.#failure(problem));
    // Browsers let no page send 1002.
    attempt(() => socket?.close(BROKEN.code));
    socket?.close();
  }

  #onError({ error, message }: WebSocketLikeEvent, { refused, problemOf }: SocketExtensions): void {
    // The class of the test runtime gives its cause as an error alone.
    const { code = "", message: text } = Object(error);
    // While closing, report only a broken frame: the client wanted the connection to end.
    if (this.#isClosing && !/^(WS_ERR|Z)_/.test(code)) return;
    const problem = problemOf?.(error) || message || text || code || "no cause is known";
    this.#listener.onFailed(refused ?? this.#failure(problem, error));
  }

  #onClose({ code = ABNORMAL, reason = "", wasClean = false }: WebSocketLikeEvent, socket: SocketExtensions): void {
    this.#unset();
    this.#listener.onClosed({ code, reason, wasClean, isFinal: socket.isFinal ?? isFinalCode(code) });
  }

  #failure(problem: string, cause?: unknown): SendallError {
    const what = this.#isOpen ? `the connection${this.#to} broke` : `cannot connect${this.#to}`;
    const advice = this.#needsAdvice ? ADVICE : "";
    this.#needsAdvice = false;
    return new SendallError("CONNECTION_FAILED", `${what}: ${problem}${advice}`, { cause });
  }

  #unset(): void {
    this.#attempt = this.#socket = undefined;
    this.#isOpen = false;
  }

  /** Reports an end without a `close` event of the socket, after the present call has returned. */
  #end(end: SocketEnd, error?: Error): void {
    this.#unset();
    if (this.#isEnding) return;
    this.#isEnding = true;
    soon(() => {
      if (error !== undefined) this.#listener.onFailed(error);
      this.#isEnding = false;
      this.#listener.onClosed(end);
    });
  }
}

/** Does not use `instanceof`, which fails for a buffer of another realm. */
function bytesOf(data: unknown): Uint8Array | undefined {
  const { buffer = data, byteOffset = 0, byteLength } = Object(data);
  return byteLength === undefined ? undefined : new Uint8Array(buffer, byteOffset, byteLength);
}
