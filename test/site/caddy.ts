/** Caddy with a block of a page as its configuration. */
import { requires } from "../e2e/requires.js";
import { leadTo, type ProxyOptions, type RunningProxy, startProxy } from "./proxy.js";

/** An address and port of a server: behind `reverse_proxy`, and nowhere else in a Caddyfile of a page. */
const UPSTREAM = /(\s)([\w.-]+:\d+)\b/g;

/**
 * Starts Caddy with a Caddyfile of one site. The address of the site becomes a free port of 127.0.0.1, without TLS, and the addresses of
 * servers become those of `to`. What goes to files goes to standard error: a log has a line about a WebSocket some time after its end, and
 * Caddy does not wait for the line when it is stopped.
 */
export function caddy(block: string, options: ProxyOptions): Promise<RunningProxy> {
  return startProxy({
    path: requires("caddy").path,
    configure: (port, folder) => adapt(withGlobals(block, folder), port, options),
    args: (file) => ["run", "--adapter", "caddyfile", "--config", file],
    ready: /serving initial configuration/,
    gentle: "SIGTERM",
  });
}

function adapt(block: string, port: number, options: ProxyOptions): string {
  return leadTo(block, UPSTREAM, options)
    .replace(/^[^\s{]+ \{$/m, `http://:${port} {\n\tbind 127.0.0.1`)
    .replace(/\boutput file \S+/g, "output stderr");
}

/** The options that stand first in a Caddyfile: nothing listens or writes elsewhere. */
function withGlobals(block: string, folder: string): string {
  const globals = `{\n\tadmin off\n\tauto_https off\n\tstorage file_system ${folder}\n`;
  return block.startsWith("{\n") ? globals + block.slice(2) : `${globals}}\n${block}`;
}
