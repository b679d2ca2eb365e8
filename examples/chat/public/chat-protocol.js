// @ts-check
// What the chat's page and server say to each other. Both load this file: the server as a file, the page by its address, where the
// import map of index.html says what "sendall/protocol" is. The schemas are made by hand, so neither side needs a library for them.
import { protocol } from "sendall/protocol";

/**
 * Returns what a value means, or throws what is wrong with the value.
 * @template T
 * @typedef {(value: unknown) => T} Reader
 */

/** A Standard Schema: whatever has `~standard` is one. @template T @param {Reader<T>} read @returns {import("sendall/protocol").Schema<T>} */
const schema = (read) => ({
  "~standard": {
    version: 1,
    vendor: "chat",
    validate(value) {
      try {
        return { value: read(value) };
      } catch (issue) {
        return { issues: [/** @type {Error} */ (issue)] };
      }
    },
  },
});

/**
 * What may be undefined may be absent.
 * @template T
 * @typedef {{ [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: T[K] }} Fields
 */

/** @template {Record<string, Reader<unknown>>} F @param {F} fields @returns {Reader<Fields<{ [K in keyof F]: ReturnType<F[K]> }>>} */
const object = (fields) => (value) => {
  const read = Object.entries(fields).map(([key, field]) => {
    try {
      return [key, field(Object(value)[key])];
    } catch (issue) {
      throw Object.assign(/** @type {Error} */ (issue), { path: [key] });
    }
  });
  return Object.fromEntries(read);
};

/** @template T @param {Reader<T>} read @returns {Reader<T[]>} */
const list = (read) => (value) => {
  if (!Array.isArray(value)) throw new Error("expected a list");
  return value.map((item) => read(item));
};

/** @param {string} type @returns {Reader<any>} */
const is = (type) => (value) => {
  if (typeof value !== type) throw new Error(`expected ${type}`);
  return value;
};

/** @type {Reader<string>} */
const string = is("string");
/** @type {Reader<number>} */
const number = is("number");
/** @type {Reader<boolean>} */
const boolean = is("boolean");
/** @type {Reader<undefined>} */
const nothing = is("undefined");

/** @template T @param {Reader<T>} read @returns {Reader<T | undefined>} */
const optional = (read) => (value) => (value === undefined ? undefined : read(value));

/** What people write has a length, once it is tidied. @param {string} what @param {number} max @param {(text: string) => string} tidy @returns {Reader<string>} */
const written = (what, max, tidy) => (value) => {
  const text = typeof value === "string" ? tidy(value) : "";
  if (text === "" || text.length > max) throw new Error(`${what} has 1 to ${max} characters.`);
  return text;
};

/** Names that look the same shall be the same: no invisible characters, no runs of spaces. @param {string} name */
const oneLine = (name) =>
  name
    .normalize("NFKC")
    .replace(/(?!\s)\p{C}/gu, "")
    .replace(/\s+/gu, " ")
    .trim();

const nick = written("A nickname", 24, oneLine);
const room = written("A room's name", 32, (name) => oneLine(name).toLowerCase());
const text = written("A message", 1000, (line) => line.trim());

/** A person in a room. The key tells people apart; nicknames change. */
const person = { key: string, nick: string, isTyping: boolean, isAway: boolean };

export const chat = protocol({
  fromClient: {
    // A call. Before the answer comes what was said in the room: the last 50 messages, or, `after` the last message that a page has, what it has
    // missed. With `isComplete: false` that is too much, or not known, and the last 50 come. `position` is that of the room's last message.
    join: {
      input: schema(object({ nick, room, after: optional(string) })),
      output: schema(object({ nick: string, room: string, isComplete: boolean, position: optional(string) })),
    },
    say: schema(object({ text })),
    // Whether one is writing.
    typing: schema(boolean),
    leave: schema(nothing),
  },
  fromServer: {
    // To everybody, whenever somebody joins or leaves.
    rooms: schema(list(object({ name: string, count: number }))),
    // To a newcomer: all that comes from here on is about this room. What was said there comes first.
    entered: schema(string),
    // To a newcomer: who is in the room, which is more people than are listed if `count` says so.
    people: schema(object({ you: string, count: number, people: list(object(person)) })),
    // What has changed since, to the others in the room.
    joined: schema(object({ ...person, at: number })),
    changed: schema(object(person)),
    left: schema(object({ ...person, at: number })),
    // In place of the three above, once there are too many people to list.
    count: schema(number),
    // To all in the room, the author too: one order for everyone. And to newcomers, later: with the nickname and the time of then. Without a
    // position the message is not kept.
    said: schema(object({ key: string, nick: string, text: string, at: number, position: optional(string) })),
  },
});
