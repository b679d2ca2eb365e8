/** Shows a message in traces and error messages, on a single line. */
import { parse } from "../protocol/wire.js";

/** Characters of a message that are shown: a small JSON object fits. */
const MAX_MESSAGE = 120;

/**
 * The beginning of a message as JSON; in single quotes if the message has double quotes or is on the wire of a protocol, so that names and
 * payloads within can be read.
 */
export function quote(text: string): string {
  const shown = text.slice(0, MAX_MESSAGE).replace(HALF_CHARACTER, "");
  const json = JSON.stringify(shown);
  const isInSingleQuotes = shown.includes('"') || parse(text) !== undefined;
  const quoted = isInSingleQuotes ? `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'` : json;
  return text.length > MAX_MESSAGE ? `${quoted}...` : quoted;
}
/** A surrogate pair that was cut in two. */
const HALF_CHARACTER = /[\uD800-\uDBFF]$/;
