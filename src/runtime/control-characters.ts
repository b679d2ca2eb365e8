/** Makes foreign text harmless for a terminal: for the screen of `sendall connect` and the readable lines of the log. */

/** Escapes every control character except tab and line feed, so that a message cannot move the cursor or worse. */
export function showControls(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the function escapes control characters
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
