/** Sendall's build, found as a program finds it: by the `exports` of package.json. This folder is a package of its own, so ours is the one around it. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../package.json", import.meta.url));
/** @param {string} name */
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

/** @type {typeof import("sendall")} */
export const { attach, channels, perConnection, reject, reply, serve } = await load("sendall");
/** @type {typeof import("sendall/client")} */
export const { connect } = await load("sendall/client");
/** @type {typeof import("sendall/protocol")} */
export const { protocol, refuse } = await load("sendall/protocol");
/** @type {typeof import("sendall/metrics")} */
export const { metrics } = await load("sendall/metrics");
/** @type {typeof import("sendall/testing")} */
export const { createTestRuntime } = await load("sendall/testing");
/** Loads SQLite, which not every runtime has. */
export const loadSqlite = () => /** @type {Promise<typeof import("sendall/sqlite")>} */ (load("sendall/sqlite"));
