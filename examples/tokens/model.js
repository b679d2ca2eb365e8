// @ts-check
// A made-up language model: it knows a few dozen phrases, and gives the same answer to the same question, piece by piece.

const SENTENCES = 14;
const MAX_TOKEN = 5;

const OPENINGS = [
  "In short,",
  "Strictly speaking,",
  "As a rule,",
  "Seen from afar,",
  "On a quiet day,",
  "To begin with,",
];
const SUBJECTS = [
  "a message",
  "the network",
  "every tunnel",
  "a patient client",
  "the server",
  "an old cable",
  "the answer",
];
const VERBS = ["remembers", "carries", "outlives", "waits for", "depends on", "never quite loses", "returns to"];
const OBJECTS = ["its socket", "what was said", "the other end", "the next train", "a good reason", "its own order"];
const ENDINGS = [
  "",
  ", and that is all",
  ", more or less",
  ", once and in order",
  ", however long it takes",
  ", as one would hope",
];

/** @param {string} question @returns {string[]} the tokens of the answer, which together are its text */
export function answer(question) {
  const roll = dice(question);
  /** @param {readonly string[]} list */
  const pick = (list) => list[roll(list.length)] ?? "";
  const sentences = [`You ask: “${question}”`];
  for (let i = 0; i < SENTENCES; i++)
    sentences.push(`${pick(OPENINGS)} ${pick(SUBJECTS)} ${pick(VERBS)} ${pick(OBJECTS)}${pick(ENDINGS)}.`);
  return sentences.join(" ").match(TOKEN) ?? [];
}

/** A word, or a piece of a long one, with the space before it. */
const TOKEN = new RegExp(`\\s?\\S{1,${MAX_TOKEN}}`, "gu");

/** Numbers that the text decides (the hash FNV-1a, then a linear congruential generator). @param {string} text */
function dice(text) {
  let state = 0x811c9dc5;
  for (const character of text) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (/** @type {number} */ sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}
