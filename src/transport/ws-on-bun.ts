/**
 * The classes of `ws` on Bun, where package.json (`imports`) puts this file in the place of the package. Bun has a module of its own for the
 * name `ws`, which takes the TCP socket over: what is written to the socket no longer drains, so a message that fills the socket's buffer
 * would stay there. Loaded by its path, the package is the one of npm.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";

const require = createRequire(import.meta.url);
const npm: typeof import("ws") = require(dirname(require.resolve("ws/package.json")));

export const WebSocket: typeof npm.WebSocket = npm.WebSocket;
export const WebSocketServer: typeof npm.WebSocketServer = npm.WebSocketServer;
