/** The check of what components give to the hooks. Options of the client itself are checked by `connect`. */
import { SendallError } from "../client.js";

/** Throws `BAD_OPTION` unless the value has the type. @param expected in words */
export function check(name: string, value: unknown, type: string, expected: string): void {
  if (typeof value !== type || value === null)
    throw new SendallError("BAD_OPTION", `${name}: expected ${expected}, got ${value && typeof value}`, {
      option: name,
    });
}
