// @ts-check
// A bot in a room of the chat (examples/chat/public/chat-protocol.js says what both sides say): greets who comes, and answers who speaks
// to it. It stays: after a lost connection the client dials again by itself, and all there is to do here is to join again, unless the
// session has kept the seat. To the others a bot that is back soon has never been away, since it says each time who it is.
import { randomUUID } from "node:crypto";
import { connect } from "sendall/client";
import { chat } from "../chat/public/chat-protocol.js";

// What the chat takes; a long list of people is cut.
const MAX_TEXT = 1_000;
const HELP = 'Say my name and "time", "roll" or "people".';

/**
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
  let isSeated = false;
  /** The key of the bot itself. */
  let me = "";
  /** The nicknames of those in the room, by key. @type {Map<string, string>} */
  let people = new Map();

  const address = new URL(url);
  address.searchParams.set("who", randomUUID());
  const client = connect(address.href, {
    protocol: chat,
    // The waits grow from here to 10 s, less a random share.
    reconnect: { minMs: 500 },
    // An answer that cannot be given now is of no use later.
    offline: { maxMessages: 0 },
    onOpen({ resumed }) {
      log("The bot is connected");
      if (!resumed) isSeated = false;
      if (!isSeated) join();
    },
    on: {
      people(list) {
        me = list.you;
        people = new Map(list.people.map((person) => [person.key, person.nick]));
      },
      joined(newcomer) {
        people.set(newcomer.key, newcomer.nick);
        say(`Hello ${newcomer.nick}!`);
      },
      changed: (person) => people.set(person.key, person.nick),
      left: (leaver) => people.delete(leaver.key),
      said(message) {
        const text = message.text.toLowerCase();
        // Before it is seated it hears what was said before it came. Its own words come back to it, and would go round for ever.
        if (!isSeated || message.key === me || !text.startsWith(name.toLowerCase())) return;
        const rest = text.slice(name.length);
        // "Both of you" does not mean a bot.
        if (!/^\p{L}/u.test(rest)) say(answer(/[a-z]+/.exec(rest)?.[0], message));
      },
    },
    // `onError` has told why, where there was an error.
    onClose: ({ code, reason, willRetry }) =>
      log(`The bot's connection has ended (${code} ${reason})${willRetry ? "; it will try again" : ""}`),
    onError: (error) => log(error.message),
    ...(WebSocket && { WebSocket }),
  });

  async function join() {
    try {
      await client.call("join", { nick: name, room });
      isSeated = true;
      say(`Hello! ${HELP}`);
    } catch (error) {
      const { code, reason, message } = /** @type {import("sendall/client").SendallError} */ (error);
      log(message);
      // Its last connection may not have been found dead yet.
      if (reason === "NICK_TAKEN") name = `${nick} ${++namesakes + 1}`;
      if (reason === "NICK_TAKEN" || code === "CALL_TIMEOUT") join();
    }
  }

  /** @param {string | undefined} word @param {{ nick: string, at: number }} message */
  function answer(word, { nick: asker, at }) {
    if (word === "time") return `${asker}, it is ${new Date(at).toISOString()}.`;
    if (word === "roll") return `${asker}, you rolled ${1 + Math.floor(Math.random() * 6)}.`;
    if (word === "people") return `${asker}, here are ${[...people.values()].join(", ")}.`;
    return HELP;
  }

  /** @param {string} text */
  function say(text) {
    client.send("say", { text: text.slice(0, MAX_TEXT) });
  }

  return client;
}
