// @ts-check
// What clients may send, read from JSON: cleaned and bounded, or an error to send back. chat.js asks it for every message.

const MAX_NICK = 24;
const MAX_ROOM = 32;
const MAX_TEXT = 1000;

/**
 * @typedef {{ type: "join", nick: string, room: string }} Join
 * @typedef {{ type: "say", text: string }} Say
 * @typedef {{ type: "error", code: string, text: string }} Refusal
 */

/** @param {string} json @returns {Join | Say | { type: "leave" } | Refusal} */
export function read(json) {
  const { type, nick, room, text } = parse(json);
  switch (type) {
    case "join":
      return join(oneLine(nick), oneLine(room).toLowerCase());
    case "say":
      return say(typeof text === "string" ? text.trim() : "");
    case "leave":
      return { type };
    default:
      return refusal("bad-message", "A message is a JSON object whose type is join, say or leave.");
  }
}

/** @param {string} code @param {string} text @returns {Refusal} */
export function refusal(code, text) {
  return { type: "error", code, text };
}

/** @param {string} nick @param {string} room @returns {Join | Refusal} */
function join(nick, room) {
  if (!fits(nick, MAX_NICK)) return refusal("bad-nick", `A nickname has 1 to ${MAX_NICK} characters.`);
  if (!fits(room, MAX_ROOM)) return refusal("bad-room", `A room's name has 1 to ${MAX_ROOM} characters.`);
  return { type: "join", nick, room };
}

/** @param {string} text @returns {Say | Refusal} */
function say(text) {
  if (!fits(text, MAX_TEXT)) return refusal("bad-text", `A message has 1 to ${MAX_TEXT} characters.`);
  return { type: "say", text };
}

/** @param {string} text @param {number} max */
function fits(text, max) {
  return text !== "" && text.length <= max;
}

/** What is no JSON object is answered like one without a type. @param {string} json @returns {Record<string, unknown>} */
function parse(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/** Names that look the same shall be the same: no invisible characters, no runs of spaces. @param {unknown} value */
function oneLine(value) {
  if (typeof value !== "string") return "";
  const visible = value.normalize("NFKC").replace(/(?!\s)\p{C}/gu, "");
  return visible.replace(/\s+/gu, " ").trim();
}
