/**
 * The promise behind `opened` of a client or a channel, and behind `flushed`: settled once, by the event or by an end before the event. A
 * rejection without a listener does not end the process.
 */
import { SendallError } from "../api/errors.js";
import { CLIENT_ENDED, channelEndedText } from "./texts.js";

export interface Opened {
  readonly promise: Promise<void>;
  fulfil(): void;
  /** Called at the end of a client or channel; no effect after `fulfil`. @param cause default: `CLOSED` */
  fail(cause?: SendallError): void;
}

/** @param channel the name of the channel, if any */
export function createOpened(channel?: string): Opened {
  const opened = {} as { -readonly [K in keyof Opened]: Opened[K] };
  opened.promise = new Promise((resolve, reject) => {
    opened.fulfil = resolve;
    opened.fail = (
      cause = new SendallError("CLOSED", channel === undefined ? CLIENT_ENDED : channelEndedText(channel)),
    ) => reject(cause);
  });
  opened.promise.catch(() => {});
  return opened;
}
