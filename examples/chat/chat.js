// @ts-check
// The chat's handler: people with nicknames in rooms. server.js serves it; the tests run it without a port.
//
// A client sends   {type: "join", nick, room}   {type: "say", text}   {type: "leave"}
// and gets         {type: "rooms", rooms: [{name, count}]}    to everybody, whenever somebody joins or leaves
//                  {type: "welcome", nick, room, members, away}   to whoever joined; `away`: the members without a line
//                  {type: "joined" or "left", nick, at}       to the others in the room
//                  {type: "away" or "back", nick}             to the others: the line is lost and the seat is not, or there is a line again
//                  {type: "said", nick, text, at}             to all in the room, its author too: one order for everyone
//                  {type: "error", code, text}                to whoever asked for what cannot be done
//
// There is no state of its own to keep in step with the bus: a person is `connection.data`, the room its one membership.

const MAX = { nick: 24, room: 32, text: 1000 };
// The list goes to everybody, so it must not grow with the number of connections.
const MAX_LISTED_ROOMS = 50;

/**
 * @typedef {{ nick?: string }} Person
 * @typedef {import("sendall").Bus<Person>} Bus
 * @typedef {import("sendall").Connection<Person>} Connection
 */

/** @returns {import("sendall").HandlerFunction<Person>} */
export function createChat() {
  return (event, bus) => {
    if (event.type === "open") bus.unicast(roomList(bus), event.connection);
    if (event.type === "message") receive(parse(event.text), event.connection, bus);
    if (event.type === "away" || event.type === "back") tellWhere(event.type, event.connection, bus);
    if (event.type === "closed") leave(event.connection, bus);
  };
}

/** @param {Record<string, unknown>} message @param {Connection} connection @param {Bus} bus */
function receive({ type, nick, room, text }, connection, bus) {
  if (type === "join") return join(oneLine(nick), oneLine(room).toLowerCase(), connection, bus);
  if (type === "say") return say(typeof text === "string" ? text.trim() : "", connection, bus);
  if (type === "leave") return leave(connection, bus);
  refuse("bad-message", "A message is a JSON object whose type is join, say or leave.", connection);
}

/** @param {string} nick @param {string} room @param {Connection} connection @param {Bus} bus */
function join(nick, room, connection, bus) {
  if (!fits(nick, MAX.nick)) return refuse("bad-nick", `A nickname has 1 to ${MAX.nick} characters.`, connection);
  if (!fits(room, MAX.room)) return refuse("bad-room", `A room's name has 1 to ${MAX.room} characters.`, connection);
  const others = bus.members(room).filter((member) => member.id !== connection.id);
  if (others.some((other) => other.data.nick?.toLowerCase() === nick.toLowerCase()))
    return refuse("nick-taken", `Somebody in ${room} is called ${nick} already.`, connection);
  leave(connection, bus);
  connection.data.nick = nick;
  bus.join(connection, room);
  const members = bus.members(room).map((member) => member.data.nick);
  const away = bus.members(room).flatMap((member) => (member.isAway ? [member.data.nick] : []));
  bus.unicast(JSON.stringify({ type: "welcome", nick, room, members, away }), connection);
  bus.broadcast(JSON.stringify({ type: "joined", nick, at: bus.now() }), connection, { room });
  bus.sendall(roomList(bus));
}

/** @param {string} text @param {Connection} connection @param {Bus} bus */
function say(text, connection, bus) {
  const [room] = connection.rooms;
  if (!fits(text, MAX.text)) return refuse("bad-text", `A message has 1 to ${MAX.text} characters.`, connection);
  if (room === undefined) return refuse("no-room", "Join a room before you say something.", connection);
  bus.sendall(JSON.stringify({ type: "said", nick: connection.data.nick, text, at: bus.now() }), { room });
}

/** Also for one that is gone: it is no member any more, but still knows its room. @param {Connection} connection @param {Bus} bus */
function leave(connection, bus) {
  const [room] = connection.rooms;
  if (room === undefined) return;
  bus.leave(connection, room);
  bus.sendall(JSON.stringify({ type: "left", nick: connection.data.nick, at: bus.now() }), { room });
  bus.sendall(roomList(bus));
}

/** With the route's option `resume` a seat outlives its line. @param {"away" | "back"} type @param {Connection} connection @param {Bus} bus */
function tellWhere(type, connection, bus) {
  const [room] = connection.rooms;
  if (room !== undefined) bus.broadcast(JSON.stringify({ type, nick: connection.data.nick }), connection, { room });
}

/** The fullest rooms first. @param {Bus} bus */
function roomList(bus) {
  const rooms = bus.rooms().map((name) => ({ name, count: bus.members(name).length }));
  rooms.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return JSON.stringify({ type: "rooms", rooms: rooms.slice(0, MAX_LISTED_ROOMS) });
}

/** @param {string} code @param {string} text @param {Connection} connection */
function refuse(code, text, connection) {
  connection.send(JSON.stringify({ type: "error", code, text }));
}

/** What is no JSON object is answered like one without a type. @param {string} json @returns {Record<string, unknown>} */
function parse(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/** @param {string} text @param {number} max */
function fits(text, max) {
  return text !== "" && text.length <= max;
}

/** Names that look the same shall be the same: no invisible characters, no runs of spaces. @param {unknown} value */
function oneLine(value) {
  if (typeof value !== "string") return "";
  return value
    .normalize("NFKC")
    .replace(/(?!\s)\p{C}/gu, "")
    .replace(/\s+/gu, " ")
    .trim();
}
