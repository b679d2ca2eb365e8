// @ts-check
// Ann, Bob and Carl: three channels over one socket, each with a handler of the shape that suits it. server.js serves them.
import { channels, perConnection, reply } from "sendall";

/** One function for all who talk to Ann. @type {import("sendall").HandlerFunction} */
const ann = (event, bus) => {
  if (event.type === "open") bus.unicast("Ann says hi!", event.connection);
  if (event.type === "message") bus.unicast(`Ann nods: ${event.text}`, event.connection);
};

/** Bob keeps a count for each who talks to him. */
const bob = perConnection({
  init(connection) {
    connection.send("Bob doesn't agree.");
    return 0;
  },
  handle: (message, count) => reply(`Bob disagrees (${count + 1}): ${message}`, count + 1),
});

/** Carl's loop is over at once, which closes the channel; the socket and its other channels stay. */
const carl = perConnection((connection) => {
  connection.send("Carl says goodbye!");
});

export const people = channels({ ann, bob, carl });
