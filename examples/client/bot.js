// @ts-check
// A bot in a room of the chat (examples/chat/chat.js has the wire): greets who comes, and answers who speaks to it. It stays: after
// a lost connection the client dials again by itself, and all there is to do here is to join again, unless the session has kept the seat.
import { connect } from "sendall/client";

// What the chat takes; a long list of people is cut.
const MAX_TEXT = 1_000;
const HELP = 'Say my name and "time", "roll" or "people".';

/**
 * What matters here of what the chat tells.
 * @typedef {{ type: string, nick: string, text: string, at: number, code: string, members: string[] }} Message
 *
 * @typedef {object} BotOptions
 * @property {string} [nick]
 * @property {string} [room]
 * @property {(line: string) => void} [log] told how the connection fares
 * @property {import("sendall/client").WebSocketClass} [WebSocket] for tests
 */

/** @param {string} url of the chat's socket @param {BotOptions} options */
export function startBot(url, { nick = "Bot", room = "lobby", log = () => {}, WebSocket } = {}) {
  let name = nick;
  let namesakes = 0;
  /** Who is in the room beside the bot. @type {Set<string>} */
  let people = new Set();

  const client = connect(url, {
    // The waits grow from here to 10 s, less a random share.
    reconnect: { minMs: 500 },
    // An answer that cannot be given now is of no use later.
    offline: { maxMessages: 0 },
    onOpen({ resumed }) {
      log("The bot is connected");
      if (!resumed) join();
    },
    onMessage(data) {
      /** @type {Message} */
      const message = JSON.parse(String(data));
      receive[message.type]?.(message);
    },
    // `onError` has told why, where there was an error.
    onClose: ({ code, reason, willRetry }) =>
      log(`The bot's connection has ended (${code} ${reason})${willRetry ? "; it will try again" : ""}`),
    onError: (error) => log(error.message),
    ...(WebSocket && { WebSocket }),
  });

  /** @type {{ readonly [type: string]: (message: Message) => void }} */
  const receive = {
    welcome({ members }) {
      people = new Set(members);
      say(`Hello! ${HELP}`);
    },
    joined(message) {
      people.add(message.nick);
      say(`Hello ${message.nick}!`);
    },
    left: (message) => people.delete(message.nick),
    said(message) {
      const text = message.text.toLowerCase();
      // Its own words come back to it, and would go round for ever.
      if (message.nick === name || !text.startsWith(name.toLowerCase())) return;
      const rest = text.slice(name.length);
      // "Both of you" does not mean a bot.
      if (!/^\p{L}/u.test(rest)) say(answer(/[a-z]+/.exec(rest)?.[0], message));
    },
    error({ code, text }) {
      log(text);
      // Its last connection may not have been found dead yet.
      if (code !== "nick-taken") return;
      name = `${nick} ${++namesakes + 1}`;
      join();
    },
  };

  /** @param {string | undefined} word @param {Message} message */
  function answer(word, { nick: asker, at }) {
    if (word === "time") return `${asker}, it is ${new Date(at).toISOString()}.`;
    if (word === "roll") return `${asker}, you rolled ${1 + Math.floor(Math.random() * 6)}.`;
    if (word === "people") return `${asker}, here are ${[...people].join(", ")}.`;
    return HELP;
  }

  function join() {
    client.send(JSON.stringify({ type: "join", nick: name, room }));
  }

  /** @param {string} text */
  function say(text) {
    client.send(JSON.stringify({ type: "say", text: text.slice(0, MAX_TEXT) }));
  }

  return client;
}
