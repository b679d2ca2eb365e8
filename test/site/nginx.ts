/** nginx with a block of a page as its configuration. */
import { requires } from "../e2e/requires.js";
import { ACCESS_LOG, leadTo, type ProxyOptions, type RunningProxy, startProxy } from "./proxy.js";

/** An address and port behind `server` of an upstream, or behind `proxy_pass`. */
const UPSTREAM = /(\bserver\s+|\bproxy_pass\s+http:\/\/)([\w.-]+:\d+)/g;

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/**
 * Starts nginx with a block for the file's `http` part: `map`, `upstream`, `server`. What the block listens on becomes a free port of
 * 127.0.0.1, with TLS if the block says so, and the addresses of servers become those of `to`.
 */
export function nginx(block: string, options: ProxyOptions): Promise<RunningProxy> {
  return startProxy({
    path: requires("nginx").path,
    configure: (port, folder) => `
      ${process.getuid?.() === 0 ? "user root;" : ""}
      worker_processes 1;
      pid ${folder}/nginx.pid;
      events { worker_connections 256; }
      http {
        access_log ${folder}/${ACCESS_LOG};
        ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n")}
        ${adapt(block, port, folder, options)}
      }`,
    args: (file) => ["-e", "stderr", "-c", file, "-g", "daemon off; error_log stderr notice;"],
    ready: /start worker process /,
    gentle: "SIGQUIT",
  });
}

function adapt(block: string, port: number, folder: string, options: ProxyOptions): string {
  return leadTo(block, UPSTREAM, options)
    .replace(/\blisten\s+[^;]+?(\s+ssl)?;/g, (_, tls = "") => `listen 127.0.0.1:${port}${tls};`)
    .replace(/\baccess_log\s+\/[^\s;]+/g, `access_log ${folder}/${ACCESS_LOG}`);
}
