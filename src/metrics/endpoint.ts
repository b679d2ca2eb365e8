/**
 * The answers over HTTP: the metrics at a path, `healthz` and `readyz` in the same folder of the path. Serves a program's `onRequest` and the
 * port of `sendall serve --metrics`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { readPath } from "../admission/request-head.js";
import { refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";
import { CONTENT_TYPE } from "./text.js";

/** What the answers say. No function rejects. */
export interface EndpointSource {
  /** The metrics as text; `undefined` before the server has started. */
  text(): string | undefined | Promise<string | undefined>;
  isReady(): boolean | Promise<boolean>;
  /** Why a process that answers is not healthy all the same; `undefined` while there is no reason. Default: always healthy. */
  findFault?(): Promise<string | undefined>;
}

/**
 * Answers the requests for the metrics and for the two probes. Other requests go to `next`, as in Express; without `next` the answer is 404.
 */
export type MetricsListener = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;

/** Throws `BAD_OPTION` for anything but an absolute path. */
export function createEndpoint(path: string, source: EndpointSource): MetricsListener {
  checkPath(path);
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const metricsAnswer = async (): Promise<Answer> => {
    const text = await source.text();
    return text === undefined ? NOT_STARTED : { status: 200, type: CONTENT_TYPE, text };
  };
  const healthAnswer = async (): Promise<Answer> => {
    const fault = await source.findFault?.();
    return fault === undefined ? HEALTHY : plain(503, fault);
  };
  const answers = new Map<string, () => Answer | Promise<Answer>>([
    [path, metricsAnswer],
    [`${folder}healthz`, healthAnswer],
    [`${folder}readyz`, async () => ((await source.isReady()) ? READY : NOT_READY)],
  ]);
  return (request, response, next) => {
    const asked = readPath(request.url ?? "/");
    const find = answers.get(asked);
    if (find === undefined && next !== undefined) next();
    else if (find === undefined)
      send(response, plain(404, `there is no ${asked}: expected ${[...answers.keys()].join(", ")}`));
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      send(response, plain(405, `${request.method} is not answered here`));
    } else void Promise.resolve(find()).then((answer) => send(response, answer));
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

function plain(status: number, text: string): Answer {
  return { status, type: "text/plain; charset=utf-8", text: `${text}\n` };
}

const HEALTHY = plain(200, "ok");
const READY = plain(200, "ready");
const NOT_READY = plain(503, "not ready");
const NOT_STARTED = plain(503, "the server has not started");

function send(response: ServerResponse, { status, type, text }: Answer): void {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "Content-Type": type, "Content-Length": length, "Cache-Control": "no-store" }).end(text);
}

function checkPath(path: unknown): void {
  const isPath = typeof path === "string" && /^\/[^?#\s]*$/.test(path) && !/\/(?:healthz|readyz)?$/.test(path);
  if (isPath) return;
  refuseOption("path", `expected a path such as "/metrics", other than healthz and readyz, got ${show(path)}`);
}
