/** Reads what the server says of a message or call that the server refuses. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";
import { invalid, type Misfit, readResult, refusedFor, textOf } from "./check.js";
import { NO_REASON, reasonText } from "./texts.js";

/** The error for a refusal. @param own the code, unless a call was invalid or its handler failed @param name the server names no message */
export function refusalOf(own: SendallErrorCode, name: string, refused: unknown): SendallError {
  const { reason, message, issues, data } = Object(refused);
  if (typeof reason !== "string") return invalid(name, refusedFor(NO_REASON));
  const misfit = issues
    ? (readResult({ issues }) as Misfit)
    : refusedFor(typeof message === "string" ? message : reasonText(reason));
  const code =
    own === "CALL_REFUSED" && /^(?:INVALID_MESSAGE|CALL_FAILED)$/.test(reason) ? (reason as typeof own) : own;
  return new SendallError(code, textOf(name, misfit), {
    reason,
    data,
    ...(issues && misfit),
  });
}
