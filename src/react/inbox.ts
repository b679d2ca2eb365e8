/**
 * Collects the messages of a client for a component, and hands them over once a frame. The inboxes of a page hand over in the same frame,
 * and React renders after the frame's callbacks, so components show the same messages.
 */

/** What is heard of a client. */
export interface Source {
  on(name: string, listener: (payload: never) => void): () => void;
}

/** A message of a client, with the name of the message: `"message"` without a protocol. */
export type Received = readonly [name: string, payload: never];

/** Collects messages for a component. */
export interface MessageInbox {
  /** Listens to messages of these names alone, of which some may be heard already. */
  listen(names: readonly string[]): void;
  /** Ends listening. What was heard is delivered then, since the component may come back. */
  stop(): void;
}

/** The part of a page that is used. */
interface Page {
  requestAnimationFrame?(run: () => void): unknown;
}

/** About a frame, where there are no frames. */
const FRAME_MS = 16;
/** How long to wait for a frame: a hidden page has no frames. */
const HIDDEN_MS = 100;
/** Messages that wait. The timers of a hidden page may ring once a minute. */
const MAX_WAITING = 10_000;

/** The messages of each name wait in the same list: the order of arrival is kept over the names. */
export function createInbox(client: Source, deliver: (messages: readonly Received[]) => void): MessageInbox {
  let waiting: Received[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = new Map<string, () => void>();
  // A frame that comes after the timer finds nothing, or is early for what has come since.
  const flush = (): void => {
    clearTimeout(timer);
    if (waiting.length > 0) deliver(waiting);
    waiting = [];
  };
  const add = (message: Received): void => {
    const count = waiting.push(message);
    if (count === 1)
      timer = setTimeout(flush, (globalThis as Page).requestAnimationFrame?.(flush) ? HIDDEN_MS : FRAME_MS);
    if (count === MAX_WAITING) flush();
  };
  const listen = (names: readonly string[]): void => {
    for (const [name, unsubscribe] of heard)
      if (!names.includes(name)) {
        heard.delete(name);
        unsubscribe();
      }
    for (const name of names)
      if (!heard.has(name))
        heard.set(
          name,
          client.on(name, (payload) => add([name, payload])),
        );
  };
  return {
    listen,
    stop() {
      listen([]);
      flush();
    },
  };
}
