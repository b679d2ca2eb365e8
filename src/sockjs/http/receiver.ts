/**
 * A response that carries frames to a client: one loop for all transports over HTTP, which differ in their {@link Shape} alone.
 * The session that it is attached to writes; the response ends by a limit, by an answer that was one frame, or by the network.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TransportName } from "../../api/connection.js";

/** How a transport dresses frames. `callback` is what the page has named, if the transport needs one. */
export interface Shape {
  readonly transport: TransportName;
  readonly contentType: string;
  /** Each response carries one frame and ends. */
  readonly isPolling: boolean;
  /** What comes before the first frame. */
  prelude(callback: string): string;
  wrap(frame: string, callback: string): string;
}

/** Told by a stream what becomes of it. */
export interface StreamOwner {
  /** It takes more. */
  drained(): void;
  /** All of it is on its way: it was ended, and the system has taken it. */
  finished(stream: Stream): void;
  /** The network has ended it before that. */
  lost(stream: Stream): void;
}

/** The network asks a silent client's system after so long whether it is still there. */
const KEEP_ALIVE_MS = 5_000;

export class Stream {
  readonly shape: Shape;
  readonly #response: ServerResponse;
  readonly #callback: string;
  readonly #limit: number;
  #owner: StreamOwner | undefined;
  #length = 0;
  #hasBegun = false;
  #isWaiting = false;
  #isEnded = false;

  /** @param limit how many characters of frames it carries before it is ended */
  constructor(request: IncomingMessage, response: ServerResponse, shape: Shape, callback: string, limit: number) {
    this.shape = shape;
    this.#response = response;
    this.#callback = callback;
    this.#limit = limit;
    request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // Nobody reads what comes with it, and a body that is not read would hold up the connection.
    request.resume();
    response.once("finish", () => this.#owner?.finished(this));
    response.once("close", () => {
      if (!response.writableFinished) this.#owner?.lost(this);
    });
    response.on("error", ignoreError);
  }

  /** It was ended by this side. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  get untakenBytes(): number {
    return this.#response.writableLength;
  }

  attach(owner: StreamOwner): void {
    this.#owner = owner;
  }

  /** Whether writing has to wait; its owner is told when it need not any more. */
  mustWait(): boolean {
    if (!this.#response.writableNeedDrain) return false;
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      this.#response.once("drain", () => {
        this.#isWaiting = false;
        this.#owner?.drained();
      });
    }
    return true;
  }

  /** The head of a streaming response, and what comes before the first frame: in a chunk of its own, as each frame. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const { contentType, isPolling } = this.shape;
    this.#response.setHeader("Content-Type", contentType);
    this.#response.statusCode = 200;
    const prelude = this.shape.prelude(this.#callback);
    if (!isPolling && prelude !== "") this.#response.write(prelude);
  }

  send(frame: string): void {
    this.begin();
    const text = this.shape.wrap(frame, this.#callback);
    if (this.shape.isPolling) {
      this.#isEnded = true;
      this.#response.end(text);
      return;
    }
    this.#length += text.length;
    this.#response.write(text);
    if (this.#length >= this.#limit) this.end();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#response.end();
  }

  /** Cuts it; its owner is told that it is lost. */
  destroy(): void {
    this.#response.destroy();
  }
}

function ignoreError(): void {}
