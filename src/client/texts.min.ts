/** Stands in for `texts.ts` in the smallest build. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";

/** Throws an error for an option or argument. */
export function refuse(name: string, _value: unknown, code: SendallErrorCode = "BAD_OPTION"): never {
  throw new SendallError(code, `${name}: not accepted`, { option: name });
}

/** Throws an error for an option that is not among the known. */
export const refuseUnknown: (name: string, known: readonly string[]) => never = refuse;
