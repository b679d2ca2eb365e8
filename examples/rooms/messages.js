// @ts-check
// What a page may send.

const STATES = ["here", "away", "busy"];

/**
 * @typedef {{ name: string, state: string, after: string | undefined }} Shown
 * @typedef {{ id: string, text: string }} Said
 */

/** @param {string} json @returns {Shown | Said | undefined} */
export function readMessage(json) {
  try {
    const message = JSON.parse(json);
    return "text" in message ? readSaid(message) : readShown(message);
  } catch {
    return undefined;
  }
}

/** @param {{ name: string, state: string, after?: unknown }} message @returns {Shown | undefined} */
function readShown({ name, state, after }) {
  const tidy = tidied(name);
  if (tidy === "" || tidy.length > 24 || !STATES.includes(state)) return undefined;
  return { name: tidy, state, after: after === undefined ? undefined : String(after) };
}

/** The id is the page's own, by which the page knows again what it has said. @param {Said} message @returns {Said | undefined} */
function readSaid({ id, text }) {
  const tidy = tidied(text);
  return tidy !== "" && tidy.length <= 500 && /^[\w-]{1,36}$/.test(id) ? { id: String(id), text: tidy } : undefined;
}

/** What people write: in one line, without invisible characters. @param {string} text */
function tidied(text) {
  return text
    .normalize("NFKC")
    .replace(/(?!\s)\p{C}/gu, "")
    .replace(/\s+/gu, " ")
    .trim();
}
