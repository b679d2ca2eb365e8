/** The calls of a test's typed clients: a test that awaits a call need not drive the runtime, since the call itself does. */
import { SendallError } from "../../api/errors.js";
import type { Failures } from "./failures.js";

/** What calls need of their runtime. */
export interface CallHost {
  readonly failures: Pick<Failures, "onInvalidMessage" | "takeHandlerError" | "throwFirst">;
  /** Whether a call settles as soon as its answer has arrived, while further items may still be on their way. */
  readonly isExplored: boolean;
  /** Lets things happen until `isDone` holds, and in the end virtual time pass. */
  settleCall(isDone: () => boolean): Promise<void>;
}

/** Settles like the call, once things have happened and time has passed. The failure of a call has the handler's error as its cause. */
export function drive(call: Promise<unknown>, host: CallHost): Promise<unknown> {
  const answer = answerOf(call, host);
  // The test may look at the answer later.
  answer.catch(() => {});
  return answer;
}

async function answerOf(call: Promise<unknown>, { isExplored, settleCall, failures }: CallHost): Promise<unknown> {
  let isDone = false;
  const settled = call.finally(() => {
    isDone = true;
  });
  const arrival = settled.catch(() => {});
  const driven = settleCall(() => isDone);
  await (isExplored ? Promise.race([arrival, driven]) : driven);
  try {
    await settled;
  } catch (thrown) {
    // The protocol may have a class of errors of its own.
    const { code, message } = Object(thrown) as Partial<SendallError>;
    const cause = code === "CALL_FAILED" ? failures.takeHandlerError() : undefined;
    throw cause ? new SendallError("CALL_FAILED", message ?? "", { cause }) : thrown;
  }
  failures.throwFirst();
  return settled;
}
