// @ts-check
// The chat's handler: people with nicknames in rooms. server.js serves it; the tests run it without a port.
//
// A client sends   {type: "join", nick, room}   {type: "say", text}   {type: "leave"}
// and gets         {type: "rooms", rooms: [{name, count}]}    to everybody, whenever somebody joins or leaves
//                  {type: "welcome", nick, room, members}     to whoever joined
//                  {type: "joined" or "left", nick, at}       to the others in the room
//                  {type: "said", nick, text, at}             to all in the room, its author too: one order for everyone
//                  {type: "error", code, text}                to whoever asked for what cannot be done
//
// There is no state of its own to keep in step with the bus: a person is `connection.data`, the room its one membership.
import { read, refusal } from "./input.js";

// The list goes to everybody, so it must not grow with the number of connections.
const MAX_LISTED_ROOMS = 50;

/**
 * @typedef {{ nick?: string }} Person
 * @typedef {import("sendall").Bus<Person>} Bus
 * @typedef {import("sendall").Connection<Person>} Connection
 */

/** @returns {import("sendall").Handler<Person>} */
export function createChat() {
  return (event, bus) => {
    switch (event.type) {
      case "open":
        bus.unicast(roomList(bus), event.connection);
        break;
      case "message":
        receive(event.text, event.connection, bus);
        break;
      case "closed":
        if (leave(event.connection, bus)) bus.sendall(roomList(bus));
    }
  };
}

/** @param {string} json @param {Connection} connection @param {Bus} bus */
function receive(json, connection, bus) {
  const message = read(json);
  switch (message.type) {
    case "join":
      join(message, connection, bus);
      break;
    case "say":
      say(message, connection, bus);
      break;
    case "leave":
      if (leave(connection, bus)) bus.sendall(roomList(bus));
      break;
    case "error":
      bus.unicast(JSON.stringify(message), connection);
  }
}

/** @param {import("./input.js").Join} message @param {Connection} connection @param {Bus} bus */
function join({ nick, room }, connection, bus) {
  const others = bus.members(room).filter((member) => member.id !== connection.id);
  if (others.some((other) => other.data.nick?.toLowerCase() === nick.toLowerCase())) {
    const taken = refusal("nick-taken", `Somebody in ${room} is called ${nick} already.`);
    bus.unicast(JSON.stringify(taken), connection);
    return;
  }
  leave(connection, bus);
  connection.data.nick = nick;
  bus.join(connection, room);
  const members = bus.members(room).map((member) => member.data.nick);
  bus.unicast(JSON.stringify({ type: "welcome", nick, room, members }), connection);
  bus.broadcast(JSON.stringify({ type: "joined", nick, at: bus.now() }), connection, { room });
  bus.sendall(roomList(bus));
}

/** @param {import("./input.js").Say} message @param {Connection} connection @param {Bus} bus */
function say({ text }, connection, bus) {
  const [room] = connection.rooms;
  if (room === undefined) {
    bus.unicast(JSON.stringify(refusal("no-room", "Join a room before you say something.")), connection);
  } else {
    bus.sendall(JSON.stringify({ type: "said", nick: connection.data.nick, text, at: bus.now() }), { room });
  }
}

/** Also for one that is gone: it is no member any more, but still knows its room. @param {Connection} connection @param {Bus} bus */
function leave(connection, bus) {
  const [room] = connection.rooms;
  if (room === undefined) return false;
  bus.leave(connection, room);
  bus.sendall(JSON.stringify({ type: "left", nick: connection.data.nick, at: bus.now() }), { room });
  return true;
}

/** The fullest rooms first. @param {Bus} bus */
function roomList(bus) {
  const rooms = bus.rooms().map((name) => ({ name, count: bus.members(name).length }));
  rooms.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return JSON.stringify({ type: "rooms", rooms: rooms.slice(0, MAX_LISTED_ROOMS) });
}
