// @ts-check
// One loop for each connection, which reads its messages as they come. server.js serves it; the tests run it without a port.
import { idle } from "sendall";

const SILENCE_MS = 5_000;

/** @type {import("sendall").ConnectionLoop} */
export const echoLoop = async (connection) => {
  // Asks for `idle` in place of a message after so long a silence; each message starts the wait anew.
  connection.idle(SILENCE_MS);
  for await (const message of connection) {
    if (message === idle) {
      connection.send("pushing!");
      // It comes once for each silence, unless it is asked for again.
      connection.idle(SILENCE_MS);
    } else if (typeof message === "string") connection.send(`received '${message}'`);
    else if (Buffer.isBuffer(message)) connection.send(`received ${message.length} bytes`);
  }
  // Here the connection has gone, and the loop may tidy up. One that ends by itself (`return`, `break`) closes it with 1000.
};
