/**
 * Makes the socket classes of a test runtime: `runtime.WebSocket`, and a class for each dialled client, whose sockets carry what the test
 * has given to `dial`. `live.ts` has a {@link SocketClasses} for the life of the runtime.
 */
import { MemoryTestClient, type TestClientParts } from "./client.js";
import type { ClientRequest } from "./client-request.js";
import type { DialRequest } from "./dial-options.js";
import type { SeededRandom } from "./random.js";
import { createVirtualTimers, type VirtualTimers } from "./virtual-timers.js";
import { createWebSocketClass, type WebSocketHost } from "./websocket.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

/** What sockets need of their runtime. */
export interface SocketClassesParts extends Pick<WebSocketHost, "clock" | "waitFor"> {
  readonly random: SeededRandom;
  readonly clientParts: Pick<TestClientParts, "clock" | "settleUntil">;
  /** Starts the server if need be, and puts the client's request on its way. The abort of the signal ends the attempt. */
  dial(client: MemoryTestClient, request: ClientRequest, signal: AbortSignal): Promise<void>;
}

/** A socket class, and the timers of the client code that uses the class. */
export interface SocketClass {
  readonly WebSocket: RuntimeWebSocketClass;
  readonly timers: Pick<VirtualTimers, "isSet">;
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
  create(request: DialRequest, onSocket?: (socket: MemoryTestClient) => void): SocketClass {
    const { clock, random, waitFor, clientParts, dial } = this.#parts;
    const timers = createVirtualTimers(clock, random);
    const connect: WebSocketHost["connect"] = async (
      { host, pathname, search, protocol },
      protocols,
      observer,
      signal,
    ) => {
      const { name, caller, remoteAddress } = request;
      const client = new MemoryTestClient({ name, observer, ...clientParts });
      onSocket?.(client);
      const headers = { host, ...(await this.#headersOf(request, signal)) };
      const secure = protocol === "wss:";
      await dial(client, { url: pathname + search, headers, protocols, remoteAddress, secure, caller }, signal);
    };
    return { WebSocket: createWebSocketClass({ clock, timers, waitFor, connect }), timers };
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
