/**
 * The promise behind `opened` of a client or a channel, and behind `flushed`: settled once, by the event or by an end before the event. A
 * rejection without a listener does not end the process.
 */

export interface Opened {
  readonly promise: Promise<void>;
  fulfil(): void;
  /** Called at the end of a client or channel; no effect after `fulfil`. */
  fail(error: Error): void;
}

export function createOpened(): Opened {
  const opened = {} as { -readonly [K in keyof Opened]: Opened[K] };
  opened.promise = new Promise((resolve, reject) => {
    opened.fulfil = resolve;
    opened.fail = reject;
  });
  opened.promise.catch(() => {});
  return opened;
}
