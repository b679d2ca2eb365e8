/** The errors for a client of a test that waits for a message while nothing is on its way. */
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";
import { quote } from "../quote.js";
import type { HandClock } from "./clock.js";

export interface Wait {
  /** The client's name and id, or the name and the state of a dialled client without a connection. */
  readonly client: string;
  /** The name of the awaited message, on a typed client. */
  readonly awaited?: string | undefined;
  readonly received: readonly (string | Buffer)[];
  readonly clock: Pick<HandClock, "now" | "nextDue">;
  /** Nothing crosses the client's link any more. */
  readonly hasVanished: boolean;
  /** The messages go to `onMessage`. */
  readonly isObserved: boolean;
  /** Something on its way waits for the test: the reader is stalled, or messages take virtual time. */
  readonly isHeldUp: boolean;
}

/** The error for a wait for a client whose connection has ended. */
export function closedError({ code, reason }: { readonly code: number; readonly reason: string }): SendallError {
  return new SendallError("CLOSED", `no message can come: the connection ended with ${code} ${reason}`.trimEnd());
}

export function noMessage(wait: Wait): SendallError {
  const awaited = wait.awaited === undefined ? undefined : `a message ${JSON.stringify(wait.awaited)}`;
  if (wait.isObserved)
    return new SendallError(
      "NO_MESSAGE",
      `${wait.client} waits for ${awaited ?? "a message"}, and none can come: each of its messages goes to onMessage, and is not kept`,
    );
  return new SendallError(
    "NO_MESSAGE",
    `${wait.client} waits for ${awaited ?? `message ${wait.received.length + 1}`}, and none can come: ${reason(wait)}. ${time(wait)}. ${last(wait)}`,
  );
}

function reason({ hasVanished, isHeldUp }: Wait): string {
  if (hasVanished) return "the client has vanished, and nothing reaches it any more";
  if (isHeldUp) return "what is on its way arrives only after resume, read or advance";
  return "nothing is on its way, and every handler is done or waits for virtual time";
}

function time({ clock }: Wait): string {
  const { nextDue } = clock;
  const alarm = nextDue === undefined ? "no alarm is set" : `the next alarm rings at ${nextDue} ms, in advance`;
  return `Virtual time stands still at ${clock.now()} ms, and ${alarm}`;
}

function last({ received, awaited }: Wait): string {
  const message = received.at(-1);
  if (message === undefined) return "Nothing was received so far";
  const shown =
    typeof message === "string" ? (awaited === undefined ? show : quote)(message) : `${message.length} bytes`;
  return `Received last: ${shown} (message ${received.length})`;
}
