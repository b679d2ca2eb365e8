/**
 * Makes the socket classes of a test runtime: `runtime.WebSocket`, and a class for each dialled client, whose sockets carry what the test
 * has given to `dial`. `live.ts` has a {@link SocketClasses} for the life of the runtime.
 */
import type { Refusal } from "../../api/rejection.js";
import { MemoryTestClient, type TestClientParts } from "./client.js";
import type { ClientRequest } from "./client-request.js";
import type { DialRequest } from "./dial-options.js";
import { createWebSocketClass, type WebSocketHost } from "./websocket.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

/** What sockets need of their runtime. */
export interface SocketClassesParts extends Pick<WebSocketHost, "clock" | "random" | "waitFor"> {
  readonly clientParts: Pick<TestClientParts, "clock" | "settleUntil">;
  /** Starts the server if need be, and asks for a connection. @returns the refusal if the client was not let in */
  admit(client: MemoryTestClient, request: ClientRequest, signal: AbortSignal): Promise<Refusal | undefined>;
}

export class SocketClasses {
  readonly #parts: SocketClassesParts;
  #undecided = 0;

  constructor(parts: SocketClassesParts) {
    this.#parts = parts;
  }

  /** How many sockets wait for the headers of their requests. */
  get undecided(): number {
    return this.#undecided;
  }

  /** @param onSocket gets the far end of each socket, before the server has let the socket in */
  create(request: DialRequest, onSocket?: (socket: MemoryTestClient) => void): RuntimeWebSocketClass {
    const { clock, random, waitFor, clientParts, admit } = this.#parts;
    const dial: WebSocketHost["dial"] = async ({ host, pathname, search, protocol }, protocols, observer, signal) => {
      const { name, remoteAddress } = request;
      const client = new MemoryTestClient({ name, observer, ...clientParts });
      onSocket?.(client);
      const headers = { host, ...(await this.#headersOf(request, signal)) };
      const secure = protocol === "wss:";
      return admit(client, { url: pathname + search, headers, protocols, remoteAddress, secure }, signal);
    };
    return createWebSocketClass({ clock, random, waitFor, dial });
  }

  async #headersOf(request: DialRequest, signal: AbortSignal): Promise<ClientRequest["headers"]> {
    this.#undecided++;
    try {
      return await unlessAborted(request.headers(), signal);
    } finally {
      this.#undecided--;
    }
  }
}

/** Settles like `task`, or rejects when `signal` is aborted. */
function unlessAborted<T>(task: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    Promise.resolve(task).then(resolve, reject);
  });
}
