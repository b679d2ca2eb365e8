/**
 * HTTP pipelining: answers the requests of a connection in order, a single request at a time (RFC 9112 section 9.3.2). Node emits a
 * pipelined request right after parsing the head, and assigns the socket to a response only after the responses before have ended. Until
 * then a response buffers without limit, and does not notice when the peer leaves. `Requests` therefore queues requests here, and both HTTP
 * servers let pending responses end before an upgrade. A queue ends with the last request, or when the socket closes.
 */
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ignoreError } from "./refuse.js";

/**
 * With 16 queued requests a socket is paused until the next response has ended. With fewer the socket is read, since a paused socket
 * does not report that the peer has left.
 */
const MAX_QUEUED = 16;

/** A request, to be answered in order. Either method is called, once. */
export interface QueuedRequest {
  /** Answers the request, since the responses before have ended. */
  run(): void;
  /** The connection closed first: no answer can reach the peer. */
  onConnectionClosed(): void;
}

/** The queues of a server, by connection. */
export class Pipelines {
  /** Only connections with queued requests have a queue: hardly any client pipelines. */
  readonly #queues = new WeakMap<Duplex, PipelineQueue>();

  /** Runs a request: at once, unless responses before are pending. */
  run(request: IncomingMessage, response: ServerResponse, queued: QueuedRequest): void {
    // Responses of HTTP/2 always have a socket. An ended response is left to the caller.
    if (response.socket !== null || response.writableEnded) {
      queued.run();
      return;
    }
    const { socket } = request;
    if (socket.destroyed) {
      queued.onConnectionClosed();
      return;
    }
    let queue = this.#queues.get(socket);
    if (queue === undefined) {
      queue = new PipelineQueue(socket, () => this.#queues.delete(socket));
      this.#queues.set(socket, queue);
    }
    queue.add(response, queued);
  }

  /** Stops pausing a socket that has left HTTP by an upgrade: the new owner decides when to read. */
  releaseSocket(socket: Duplex): void {
    this.#queues.get(socket)?.releaseSocket();
  }
}

/** The queued requests of a connection. */
class PipelineQueue {
  readonly #socket: Duplex;
  readonly #onEmpty: () => void;
  readonly #queued = new Set<QueuedRequest>();
  #isPaused = false;
  #isReleased = false;

  constructor(socket: Duplex, onEmpty: () => void) {
    this.#socket = socket;
    this.#onEmpty = onEmpty;
    socket.on("close", this.#onClose);
  }

  add(response: ServerResponse, queued: QueuedRequest): void {
    this.#queued.add(queued);
    // Node has just assigned the socket. Listeners for the close of the previous response come first.
    response.once("socket", () => process.nextTick(() => this.#next(response, queued)));
    if (this.#queued.size < MAX_QUEUED || this.#isPaused || this.#isReleased) return;
    this.#isPaused = true;
    this.#socket.pause();
    this.#socket.on("resume", this.#onResume);
  }

  releaseSocket(): void {
    this.#isReleased = true;
    this.#isPaused = false;
    this.#socket.off("resume", this.#onResume);
  }

  #next(response: ServerResponse, queued: QueuedRequest): void {
    if (!this.#queued.delete(queued)) return;
    if (this.#queued.size === 0) this.#unregister();
    if (this.#isPaused && this.#queued.size < MAX_QUEUED) {
      this.#isPaused = false;
      this.#socket.off("resume", this.#onResume);
      this.#socket.resume();
    }
    if (response.destroyed || this.#socket.destroyed) queued.onConnectionClosed();
    else queued.run();
  }

  #unregister(): void {
    this.#socket.off("close", this.#onClose);
    this.#onEmpty();
  }

  readonly #onClose = (): void => {
    this.releaseSocket();
    this.#unregister();
    const queued = [...this.#queued];
    this.#queued.clear();
    for (const request of queued) request.onConnectionClosed();
  };

  /** Node resumes a socket for reasons of its own: the body of the current request is read, or a response has drained. */
  readonly #onResume = (): void => {
    this.#socket.pause();
  };
}

/**
 * The response that currently owns a socket, if any. No documented property tells, and a host does not report plain requests to us. Node
 * has kept the response in `_httpMessage` since the first versions. On a platform without the property nothing waits.
 */
export function currentResponse(socket: Duplex): ServerResponse | undefined {
  const response: unknown = "_httpMessage" in socket ? socket._httpMessage : undefined;
  return response instanceof ServerResponse ? response : undefined;
}

/** Calls `next` after every pending response of a socket has ended, or after the socket has closed. */
function whenResponsesEnded(socket: Duplex, next: () => void): void {
  const response = socket.destroyed ? undefined : currentResponse(socket);
  if (response !== undefined) response.once("close", () => whenResponsesEnded(socket, next));
  // The last response ends the connection, and is still being flushed.
  else if (!socket.destroyed && !socket.writable) socket.once("close", next);
  else next();
}

/**
 * Calls `next` after every pending response of a socket that has just left HTTP by an upgrade. After an upgrade Node no longer forwards
 * `drain` to the responses, and no longer ends the socket with the peer: until the last response has ended, both are done here.
 */
export function afterResponses(socket: Duplex, next: () => void): void {
  if (currentResponse(socket) === undefined) {
    next();
    return;
  }
  const onDrain = (): void => {
    const response = currentResponse(socket);
    if (response?.writableNeedDrain === true) response.emit("drain");
  };
  const onEnd = (): void => void socket.end();
  socket.on("drain", onDrain).on("end", onEnd).on("error", ignoreError);
  whenResponsesEnded(socket, () => {
    next();
    socket.off("drain", onDrain).off("end", onEnd).off("error", ignoreError);
  });
}
