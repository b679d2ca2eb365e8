/** Names that are not known: the errors for these tell which names there are. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";
import { IS_WORDY, refuseOption, unknownText } from "./texts.js";

/** Throws an error for a name that is not known. @param verb the verb that the name goes with, if there is one */
export function refuseName(
  name: string,
  known: Iterable<string>,
  code: SendallErrorCode = "BAD_OPTION",
  verb?: string,
): never {
  throw new SendallError(code, `${name}: ${unknownText(known, verb)}`, { option: name });
}

/** Refuses members that are not known. @param prefix with a dot, for a group */
export function readMembers(prefix: string, members: object, known: readonly string[]): object {
  if (IS_WORDY && Object(members) !== members) refuseOption("options", `expected { ${known.join(", ")} }`);
  for (const name in members) if (!known.includes(name)) refuseName(prefix + name, known);
  return members;
}
