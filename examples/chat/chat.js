// @ts-check
// The chat's handler: people with nicknames in rooms. public/chat-protocol.js says what a client sends and gets, server.js serves the
// chat, and the tests run it without a port.
//
// There is no state of its own to keep in step with the bus: a person is `connection.data`, the room its one membership.
import { refuse } from "sendall/protocol";
import { chat } from "./public/chat-protocol.js";

// The list goes to everybody, so it must not grow with the number of connections.
const MAX_LISTED_ROOMS = 50;

const { rooms, joined, left, away, back, said } = chat.fromServer;

/**
 * @typedef {{ nick?: string }} Person
 * @typedef {import("sendall").Bus<Person>} Bus
 * @typedef {import("sendall").Connection<Person>} Connection
 */

/** @returns {import("sendall").Handler<Person>} */
export function createChat() {
  return chat.handler({
    open({ connection }, { bus }) {
      connection.send(roomList(bus));
    },
    join({ nick, room }, { connection, bus }) {
      const others = bus.members(room).filter((member) => member.id !== connection.id);
      if (others.some((other) => nickOf(other).toLowerCase() === nick.toLowerCase()))
        throw refuse("NICK_TAKEN", `somebody in ${room} is called ${nick}`);
      leave(connection, bus);
      connection.data.nick = nick;
      connection.join(room);
      bus.broadcast(joined({ nick, at: bus.now() }), connection, { room });
      bus.sendall(roomList(bus));
      const members = bus.members(room);
      return { nick, room, members: members.map(nickOf), away: members.filter(({ isAway }) => isAway).map(nickOf) };
    },
    say({ text }, { connection, bus }) {
      const [room] = connection.rooms;
      if (room === undefined) throw refuse("NO_ROOM", "only members of a room say something");
      bus.sendall(said({ nick: nickOf(connection), text, at: bus.now() }), { room });
    },
    leave(_nothing, { connection, bus }) {
      leave(connection, bus);
    },
    // With the route's option `resume` a seat outlives its line.
    away({ connection }, { bus }) {
      const [room] = connection.rooms;
      if (room !== undefined) bus.broadcast(away({ nick: nickOf(connection) }), connection, { room });
    },
    back({ connection }, { bus }) {
      const [room] = connection.rooms;
      if (room !== undefined) bus.broadcast(back({ nick: nickOf(connection) }), connection, { room });
    },
    closed({ connection }, { bus }) {
      leave(connection, bus);
    },
  });
}

/** Also for one that is gone: it is no member any more, but still knows its room. @param {Connection} connection @param {Bus} bus */
function leave(connection, bus) {
  const [room] = connection.rooms;
  if (room === undefined) return;
  bus.leave(connection, room);
  bus.sendall(left({ nick: nickOf(connection), at: bus.now() }), { room });
  bus.sendall(roomList(bus));
}

/** Whoever is in a room has a nickname. @param {Connection} connection */
function nickOf({ data }) {
  return data.nick ?? "";
}

/** The fullest rooms first. @param {Bus} bus */
function roomList(bus) {
  const all = bus.rooms().map((name) => ({ name, count: bus.members(name).length }));
  all.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return rooms(all.slice(0, MAX_LISTED_ROOMS));
}
