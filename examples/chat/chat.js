// @ts-check
// The chat's route: people with nicknames in rooms. public/chat-protocol.js says what a client sends and gets, server.js serves the
// chat, and the tests run it without a port.
//
// Who is in a room is known to presence (the option `presence`): a person may have several tabs, and may reload a page. A page keeps a
// secret, and sends it as `who`. The key of a person is made from the secret, so that others, who see the key, cannot pretend to be that person.
//
// What was said in a room is kept (the option `history`): a newcomer gets the end of it, a page that comes back gets what it has missed.
import { createHash, randomUUID } from "node:crypto";
import { reject, route } from "sendall";
import { refuse } from "sendall/protocol";
import { chat } from "./public/chat-protocol.js";

// The lists go to everybody, so they must not grow with the number of connections.
const MAX_LISTED_ROOMS = 50;
const MAX_LISTED_PEOPLE = 250;

// How much of what was said a newcomer gets.
const LAST_SAID = 50;
const DAY_MS = 86_400_000;

const { rooms, entered, people, joined, changed, left, count, said } = chat.fromServer;

/**
 * What a connection knows of its person.
 * @typedef {{ key: string, nick: string, isTyping: boolean }} Person
 * @typedef {{ nick: string, isTyping: boolean, isAway: boolean }} Shown what presence tells the others of a person
 * @typedef {import("sendall").Bus<Person>} Bus
 * @typedef {import("sendall").Connection<Person>} Connection
 */

/**
 * What the route "/chat" is. Without the option `resume` a seat ends with its line.
 * @param {Partial<import("sendall").HistoryOptions>} history where what was said is kept, if not in memory, and for how long
 */
export function createChat(history = {}) {
  return route({
    authorize({ query }) {
      const key = keyOf(query.get("who") ?? randomUUID());
      return key === undefined ? reject(400, "who: expected 16 to 64 letters, digits or hyphens") : person(key);
    },
    presence: {
      key: ({ data }) => data.key,
      maxListed: MAX_LISTED_PEOPLE,
      // Everybody in the room hears of it but the one who has caused it.
      notice(news) {
        if (news.type === "count") return count(news.count);
        if (news.type === "left") return left({ ...shown(news), at: Date.now() });
        if (news.type === "changed") return changed(shown(news));
        return joined({ ...shown(news), at: Date.now() });
      },
    },
    history: {
      maxMessages: 200,
      // Room for the last 50 messages, as long as messages can be.
      maxBytes: 320_000,
      maxAgeMs: DAY_MS,
      maxRooms: 1_000,
      // A page can say later which message it has got last.
      stamp: (data, position) => said({ ...JSON.parse(String(data))[1], position }),
      ...history,
    },
    handler: createHandler(),
  });
}

/** @returns {import("sendall").Handler<Person>} */
function createHandler() {
  /** How many people are in each room, as presence has told. @type {Map<string, number>} */
  const counts = new Map();

  return chat.handler({
    open({ connection }) {
      connection.send(roomList(counts));
    },
    async join({ nick, room, after }, { connection, bus }) {
      const { key } = connection.data;
      const namesake = bus
        .present(room)
        .map(shown)
        .find((other) => other.key !== key && isSameNick(other.nick, nick));
      if (namesake) throw refuse("NICK_TAKEN", `somebody in ${room} is called ${nick}`);
      const [before] = connection.rooms;
      if (before !== undefined && before !== room) leave(connection, bus);
      // Who is in the room already is told all of it again. That is no news to the others.
      connection.leave(room);
      // A person has one name in a room, in all tabs.
      for (const tab of [...tabsOf(key, room, bus), connection]) {
        tab.data.nick = nick;
        show(tab, false);
      }
      let entry = await enter(room, after === undefined ? { last: LAST_SAID } : { after }, connection, bus);
      const isComplete = entry.outcome === "complete";
      if (!isComplete && connection.leave(room)) entry = await enter(room, { last: LAST_SAID }, connection, bus);
      return { nick, room, isComplete, position: entry.position };
    },
    typing(isTyping, { connection }) {
      if (connection.rooms.size === 0) return;
      connection.data.isTyping = isTyping;
      show(connection, false);
    },
    say({ text }, { connection, bus }) {
      const [room] = connection.rooms;
      if (room === undefined) throw refuse("NO_ROOM", "only members of a room say something");
      const { key, nick, isTyping } = connection.data;
      bus.sendall(said({ key, nick, text, at: bus.now() }), { room, keep: true });
      if (!isTyping) return;
      connection.data.isTyping = false;
      show(connection, false);
    },
    leave(_nothing, { connection, bus }) {
      leave(connection, bus);
    },
    // With the route's option `resume` a seat outlives its line.
    away({ connection }, { bus }) {
      connection.data.isTyping = false;
      showWhetherAway(connection, bus);
    },
    back({ connection }) {
      show(connection, false);
    },
    closed({ connection }, { bus }) {
      showWhetherAway(connection, bus);
      endTyping(connection, bus);
    },
    // A person's first tab has come; the last one has gone, and has not come back.
    joined({ room, count }, { bus }) {
      counts.set(room, count);
      bus.sendall(roomList(counts));
    },
    left({ room, count }, { bus }) {
      if (count > 0) counts.set(room, count);
      else counts.delete(room);
      bus.sendall(roomList(counts));
    },
  });
}

/**
 * What is told of a room begins with `entered`: what was said, and who is there. Later messages and notices tell what happens from then on.
 * @param {string} room @param {import("sendall").FollowFrom} from @param {Connection} connection @param {Bus} bus
 */
function enter(room, from, connection, bus) {
  connection.send(entered(room));
  // Joins at once; the promise is for what was said. Without it a room is still a room.
  const following = connection.follow(room, from).catch(({ message }) => {
    console.error(`What was said in ${room} is not told: ${message}`);
    return { outcome: "unknown", position: undefined };
  });
  const { keys } = bus.presentCount(room);
  connection.send(people({ you: connection.data.key, count: keys, people: bus.present(room).map(shown) }));
  return following;
}

/** @param {Connection} connection @param {Bus} bus */
function leave(connection, bus) {
  const [room] = connection.rooms;
  if (room === undefined) return;
  connection.data.isTyping = false;
  show(connection, false);
  bus.leave(connection, room);
  showWhetherAway(connection, bus, room);
}

/**
 * A person is away once no tab in the room has a line. `connection` has lost its own line, or is gone.
 * @param {Connection} connection @param {Bus} bus @param {string | undefined} room
 */
function showWhetherAway({ data, rooms: [own] }, bus, room = own) {
  if (room === undefined) return;
  const tabs = tabsOf(data.key, room, bus);
  const isAway = tabs.every((tab) => tab.isAway);
  // What the latest tab shows counts.
  for (const tab of tabs) if (tab.isAway) show(tab, isAway);
  for (const tab of tabs) if (!tab.isAway) show(tab, false);
}

/** The last tab is gone and shows nothing any more, but its person stays for `graceMs`. @param {Connection} connection @param {Bus} bus */
function endTyping({ data, rooms: [room] }, bus) {
  const { key, nick, isTyping } = data;
  if (room === undefined || !isTyping || tabsOf(key, room, bus).length > 0) return;
  bus.sendall(changed({ key, nick, isTyping: false, isAway: false }), { room });
}

/** @param {string} key @param {string} room @param {Bus} bus */
function tabsOf(key, room, bus) {
  return bus.members(room).filter(({ data }) => data.key === key);
}

/** @param {Connection} connection @param {boolean} isAway */
function show(connection, isAway) {
  const { nick, isTyping } = connection.data;
  connection.show({ nick, isTyping, isAway });
}

/** As clients get to know a person. @param {{ key: string, info: import("sendall").Json, connections?: number }} present */
function shown({ key, info, connections = 1 }) {
  // All that is shown, `show` has shown.
  const { nick, isTyping, isAway } = /** @type {Shown} */ (info);
  return { key, nick, isTyping: isTyping && connections > 0, isAway };
}

/** @param {string} key @returns {Person} */
function person(key) {
  return { key, nick: "", isTyping: false };
}

/** @param {string} secret @returns {string | undefined} */
function keyOf(secret) {
  if (!/^[\w-]{16,64}$/.test(secret)) return undefined;
  return createHash("sha256").update(secret).digest("base64url").slice(0, 16);
}

/** @param {string} one @param {string} other */
function isSameNick(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

/** The fullest rooms first. @param {Map<string, number>} counts */
function roomList(counts) {
  const all = Array.from(counts, ([name, count]) => ({ name, count }));
  all.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return rooms(all.slice(0, MAX_LISTED_ROOMS));
}
