/**
 * What the file of `sendall serve` exports by default, as options of `serve`. A file exports a handler or options. `init` and `handle`
 * make a handler, `handler` or `routes` make options; an object literal with both is refused, because half of the object would be ignored.
 */
import { SendallError } from "../api/errors.js";
import { ShapedHandler } from "../api/handler.js";
import type { ServeOptions } from "../api/serve-options.js";
import { isRecord } from "../options/kinds.js";
import { readServerOptions } from "../options/read-server-options.js";
import { HANDLER_SHAPES, isHandler } from "../options/server-kinds.js";
import { handlingTable, routeTable, serverTable } from "../options/server-options.js";
import { show } from "../runtime/show.js";
import { isError } from "../runtime/thrown.js";
import type { LoadedModule } from "./load-file.js";
import { ONE_PROCESS, type ServeTask } from "./serve-task.js";

/** @param file the name of the file, for errors */
export function readExport(file: string, module: LoadedModule): ServeOptions {
  const exported = module.default;
  if (isHandler(exported)) {
    const beside = isLiteral(exported) ? Object.keys(exported).find(isOption) : undefined;
    if (beside === undefined) return { handler: exported };
    throw badFile(file, `${beside}: stands beside init and handle: expected { handler: { init, handle }, ${beside} }`);
  }
  if (!isRecord(exported) || !("handler" in exported || "routes" in exported)) {
    const expected = `${HANDLER_SHAPES}; or options of serve, { handler, … } or { routes, … }`;
    const found = "default" in module ? show(exported) : "no default export";
    throw new SendallError("BAD_HANDLER", `${file} exports no handler: expected ${expected}; got ${found}`);
  }
  return checkExport(file, exported);
}

/** A shaped handler, a function or an object of a class has properties of its own, whatever their names. */
function isLiteral(handler: object): boolean {
  return !(handler instanceof ShapedHandler) && Object.getPrototypeOf(handler) === Object.prototype;
}

function isOption(name: string): boolean {
  return [handlingTable, serverTable, routeTable].some((table) => Object.hasOwn(table, name));
}

function checkExport(file: string, exported: Record<string, unknown>): ServeOptions {
  const problem = problemOf(exported);
  if (problem !== undefined) throw badFile(file, problem);
  // `readServerOptions` has checked the record.
  return exported as unknown as ServeOptions;
}

function problemOf(options: Record<string, unknown>): string | undefined {
  try {
    readServerOptions(options);
    return undefined;
  } catch (error) {
    if (isError(error) && error instanceof SendallError) return error.message;
    throw error;
  }
}

/** A `BAD_HANDLER`, not a `BAD_OPTION`: the command line is right. */
export function badFile(file: string, problem: string): SendallError {
  return new SendallError("BAD_HANDLER", `${file}: ${problem}`);
}

/** The options of the server: what the command line says comes before what the file says. */
export function withFlags(options: ServeOptions, task: ServeTask): ServeOptions {
  const { port, host, static: folder, client } = task;
  return {
    ...(task.sockjs ? withSockJs(options) : options),
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(folder !== undefined && { static: folder }),
    ...(client !== undefined && { client }),
  };
}

/** SockJS at every path; routes and the file keep the details of their SockJS. */
function withSockJs(options: ServeOptions): ServeOptions {
  const sockjs = options.sockjs || true;
  if (options.routes === undefined) return { ...options, sockjs };
  const routes = Object.entries(options.routes).map(([path, route]) => [
    path,
    { ...route, sockjs: route.sockjs || sockjs },
  ]);
  return { ...options, sockjs, routes: Object.fromEntries(routes) };
}

/**
 * Workers share a port, and a client's next request may reach another worker.
 *
 * @param options with the cluster of the workers, which the file has been checked without
 */
export function checkForWorkers(file: string, options: ServeOptions): void {
  const { routes } = readServerOptions(checkExport(file, { ...options }));
  const spoken = routes.find(({ settings }) => settings.sockjs !== false);
  if (spoken === undefined) return;
  const name = spoken.path === undefined ? "sockjs" : `routes["${spoken.path}"].sockjs`;
  throw badFile(file, `${name}: SockJS, ${ONE_PROCESS}, does not go with --workers`);
}
