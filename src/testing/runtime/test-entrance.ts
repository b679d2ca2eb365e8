/**
 * Lets the clients of a test runtime in, at once or as over a network, and keeps the clients that are in, with their names. `live.ts` has
 * an entrance for the life of the runtime.
 */
import type { Refusal } from "../../api/rejection.js";
import type { DialListener, MemoryConnection, MemoryListener } from "../memory-transport/memory-listener.js";
import type { MemoryTestClient, TestClientParts } from "./client.js";
import { type ClientRequest, toHead } from "./client-request.js";
import type { RuntimeEnvironment } from "./environment.js";

/** What the entrance itself does about a client. */
interface Passage extends Pick<DialListener, "accepted" | "refused"> {
  onClosed(): void;
}

/** Listens for one client. A class, since closures would take several steps through memory for each message. */
class Doorman implements DialListener {
  readonly #client: MemoryTestClient;
  readonly #passage: Passage;
  /** Gets each message without the client, whose fields would have to be fetched. */
  readonly #onMessage: TestClientParts["onMessage"];

  constructor(client: MemoryTestClient, passage: Passage) {
    this.#client = client;
    this.#onMessage = client.soleListener;
    this.#passage = passage;
  }

  opened(): void {
    this.#client.onOpen();
  }

  message(data: string | Buffer): void {
    const onMessage = this.#onMessage;
    if (onMessage === undefined) this.#client.onMessage(data);
    else onMessage(data);
  }

  pong(): void {}

  onClosed(code: number, reason: string): void {
    this.#passage.onClosed();
    this.#client.onClosed(code, reason);
  }

  accepted(connection: MemoryConnection): void {
    this.#passage.accepted(connection);
  }

  refused(refusal: Refusal): void {
    this.#passage.refused(refusal);
  }
}

export class TestEntrance {
  /** The clients that are in, in the order in which the server let each in. */
  readonly clients: Set<MemoryTestClient> = new Set();
  readonly #listener: MemoryListener;
  readonly #environment: Pick<RuntimeEnvironment, "admissionObserver" | "clock">;
  readonly #names = new Map<string, string>();

  constructor(listener: MemoryListener, environment: Pick<RuntimeEnvironment, "admissionObserver" | "clock">) {
    this.#listener = listener;
    this.#environment = environment;
  }

  /** A connection's name for error messages: the client's name and the id. */
  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** @returns the refusal if the client was not let in */
  async admit(client: MemoryTestClient, request: ClientRequest): Promise<Refusal | undefined> {
    const listener = this.#listenerOf(client, request);
    const answer = await this.#listener.connect(toHead(request), listener, new AbortController().signal);
    if ("status" in answer) {
      listener.refused(answer);
      return answer;
    }
    listener.accepted(answer);
    return undefined;
  }

  /** Puts the client's request on its way. The abort of the signal ends the client's socket. Throws if the signal is aborted already. */
  dial(client: MemoryTestClient, request: ClientRequest, signal: AbortSignal): void {
    signal.throwIfAborted();
    const { name = request.caller ?? `somebody at ${request.url}` } = client;
    client.dial(this.#listener.dial(toHead(request), this.#listenerOf(client, request), name));
    const onAborted = (): void => client.fail(new Error("the client has left"));
    // The socket ends after the call that aborts, as in browsers.
    signal.addEventListener("abort", () => this.#environment.clock.soon(onAborted), { once: true });
  }

  #listenerOf(client: MemoryTestClient, { url, caller }: ClientRequest): DialListener {
    const { admissionObserver } = this.#environment;
    const { name = caller } = client;
    return new Doorman(client, {
      onClosed: () => this.clients.delete(client),
      accepted: (connection) => {
        const { id } = connection;
        if (name !== undefined) this.#names.set(id, `${name} (${id})`);
        admissionObserver?.onConnected(name ?? id, id, url);
        client.attach(connection);
        // The client may have left while the server decided.
        if (client.isOpen) this.clients.add(client);
      },
      refused: ({ status }) => admissionObserver?.onRefused(name ?? `somebody at ${url}`, status),
    });
  }
}
