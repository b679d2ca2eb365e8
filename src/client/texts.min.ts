/** Stands in for `texts.ts` in the smallest build. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";

/** Throws an error for an option or argument. */
export function refuse(
  name: string,
  _value: unknown,
  code: SendallErrorCode = "BAD_OPTION",
  _known?: readonly string[],
): never {
  throw new SendallError(code, `${name}: not accepted`, { option: name });
}
