/**
 * The requests of one connection, one at a time and in order (RFC 9112 section 9.3.2). Node tells of pipelined requests as it reads
 * them, each with a response that has no socket until the answers before it are through: such a response takes any amount of memory,
 * and does not hear that its peer has left. `Requests` asks here before it answers, the servers before they take an upgrade.
 */
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ignoreError } from "./refuse.js";

/**
 * With so many requests waiting a connection is not read any further until one of them is answered. With fewer it is read, since
 * a connection that is not read does not show that its peer has left.
 */
const MAX_WAITING = 16;

/** What becomes of a request. */
export interface QueuedRequest {
  /** Its turn has come. */
  run(): void;
  /** The connection has ended before that: nobody will read an answer. */
  gone(): void;
}

export class Pipelines {
  /** Of connections with requests that wait: hardly any has some. */
  readonly #lines = new WeakMap<Duplex, PipelineQueue>();

  /** Runs the turn of a request: at once, unless answers before it are still due. */
  take(request: IncomingMessage, response: ServerResponse, turn: QueuedRequest): void {
    // Also those of HTTP/2 have a socket. One that is ended is for the caller to look at.
    if (response.socket !== null || response.writableEnded) {
      turn.run();
      return;
    }
    const { socket } = request;
    if (socket.destroyed) {
      turn.gone();
      return;
    }
    let line = this.#lines.get(socket);
    if (line === undefined) {
      line = new PipelineQueue(socket, () => this.#lines.delete(socket));
      this.#lines.set(socket, line);
    }
    line.add(response, turn);
  }

  /** The socket is no HTTP any more: whoever takes it now decides when it is read. */
  releaseSocket(socket: Duplex): void {
    this.#lines.get(socket)?.releaseSocket();
  }
}

/** Those who wait on one connection; there while somebody does. */
class PipelineQueue {
  readonly #socket: Duplex;
  readonly #onEmpty: () => void;
  readonly #waiting = new Set<QueuedRequest>();
  #isPaused = false;
  #isReleased = false;

  constructor(socket: Duplex, onEmpty: () => void) {
    this.#socket = socket;
    this.#onEmpty = onEmpty;
    socket.on("close", this.#onClose);
  }

  add(response: ServerResponse, turn: QueuedRequest): void {
    this.#waiting.add(turn);
    // Node has just given it the socket. Whoever waits for the close of the answer before comes first.
    response.once("socket", () => process.nextTick(() => this.#next(response, turn)));
    if (this.#waiting.size < MAX_WAITING || this.#isPaused || this.#isReleased) return;
    this.#isPaused = true;
    this.#socket.pause();
    this.#socket.on("resume", this.#onResume);
  }

  releaseSocket(): void {
    this.#isReleased = true;
    this.#isPaused = false;
    this.#socket.off("resume", this.#onResume);
  }

  #next(response: ServerResponse, turn: QueuedRequest): void {
    if (!this.#waiting.delete(turn)) return;
    if (this.#waiting.size === 0) this.#unregister();
    if (this.#isPaused && this.#waiting.size < MAX_WAITING) {
      this.#isPaused = false;
      this.#socket.off("resume", this.#onResume);
      this.#socket.resume();
    }
    if (response.destroyed || this.#socket.destroyed) turn.gone();
    else turn.run();
  }

  #unregister(): void {
    this.#socket.off("close", this.#onClose);
    this.#onEmpty();
  }

  readonly #onClose = (): void => {
    this.releaseSocket();
    this.#unregister();
    const turns = [...this.#waiting];
    this.#waiting.clear();
    for (const turn of turns) turn.gone();
  };

  /** Node resumes a socket for its own reasons: the body of the request under way is read, or an answer has drained. */
  readonly #onResume = (): void => {
    this.#socket.pause();
  };
}

/**
 * The answer that has its turn on a socket; `undefined` if none has. No documented property says so, and a host shows its requests to
 * nobody else: Node keeps it here since its first versions, and where a platform does not, nothing waits.
 */
export function currentResponse(socket: Duplex): ServerResponse | undefined {
  const answer: unknown = Reflect.get(socket, "_httpMessage");
  return answer instanceof ServerResponse ? answer : undefined;
}

/** Goes on once all answers under way on a socket are through, or it has closed. */
function whenResponsesEnded(socket: Duplex, goOn: () => void): void {
  const answer = socket.destroyed ? undefined : currentResponse(socket);
  if (answer !== undefined) answer.once("close", () => whenResponsesEnded(socket, goOn));
  // The last answer was to be the last: what is on its way goes out first.
  else if (!socket.destroyed && !socket.writable) socket.once("close", goOn);
  else goOn();
}

/**
 * The same for a socket that has just left HTTP by an upgrade: the answers before it are still due, and Node has given up to tell them
 * that the socket has drained, and to end it with its peer.
 */
export function afterResponses(socket: Duplex, goOn: () => void): void {
  if (currentResponse(socket) === undefined) {
    goOn();
    return;
  }
  const onDrain = (): void => {
    const answer = currentResponse(socket);
    if (answer?.writableNeedDrain === true) answer.emit("drain");
  };
  const onEnd = (): void => void socket.end();
  socket.on("drain", onDrain).on("end", onEnd).on("error", ignoreError);
  whenResponsesEnded(socket, () => {
    goOn();
    socket.off("drain", onDrain).off("end", onEnd).off("error", ignoreError);
  });
}
