/** What Node loads for `sendall/protocol`: the modules that the server has. Pages load a single file, which the build makes. */
export { SendallError } from "../api/errors.js";
export { protocol } from "./protocol.js";
export { refuse } from "./refuse.js";
