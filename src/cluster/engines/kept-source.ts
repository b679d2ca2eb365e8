/**
 * The id of a source within the head of a kept message: the last word of the head, absent for a message without a source. Whatever a program gives as an
 * id can be written, and whatever a stranger has written can be read: the word is the id in base64.
 */

export function writeSource(source: string | undefined): string {
  return source === undefined ? "" : `=${Buffer.from(source).toString("base64url")}`;
}

/** @param word with the sign in front */
export function readSource(word: string): string | undefined {
  return word === "" ? undefined : Buffer.from(word.slice(1), "base64url").toString();
}
