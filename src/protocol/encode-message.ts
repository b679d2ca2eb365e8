/** A message on its way out: asks the schema, and encodes the payload as given; what the schema makes of the payload is for the other side. */
import { isPromiseLike } from "../runtime/promises.js";
import { check, invalid, refusedFor } from "./check.js";
import type { Schema } from "./standard-schema.js";
import { NO_JSON } from "./texts.js";
import { encode } from "./wire.js";

/**
 * Throws `INVALID_MESSAGE` for what the schema or JSON refuses.
 * @param schema `undefined` if the payload is not to be checked
 * @param onPromise called if the schema does not answer at once; the payload then counts as checked
 * @param rest what follows the payload: the id of a call
 */
export function encodeMessage(
  name: string,
  schema: Schema | undefined,
  payload: unknown,
  onPromise: (schema: Schema) => void,
  ...rest: readonly number[]
): string {
  if (schema) {
    const checked = check(schema, payload);
    if (isPromiseLike(checked)) onPromise(schema);
    else if (checked.issues) throw invalid(name, checked);
  }
  try {
    return encode(name, payload, ...rest);
  } catch (thrown) {
    throw invalid(name, { ...refusedFor(NO_JSON), cause: thrown });
  }
}
