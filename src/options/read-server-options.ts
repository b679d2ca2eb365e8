/**
 * Reads the options of `serve` and `attach`: checks a program's options and makes settings before a server starts. The settings last as
 * long as the server.
 */
import type { Handler } from "../api/handler.js";
import type { Handling } from "../api/serve-options.js";
import { descriptionOf } from "../protocol/describe-handler.js";
import { show } from "../runtime/show.js";
import { checkHistories } from "./history-options.js";
import { isRecord } from "./kinds.js";
import { checkNames, checkOptionsObject, type OptionLayer, readSettings, refuseOption } from "./read-options.js";
import { Patterns, problemOf } from "./route-path.js";
import { HANDLER_SHAPES, isFolder, isHandler, isRoot } from "./server-kinds.js";
import {
  handlingTable,
  type RouteDefinition,
  type RouteTableOptions,
  routeTable,
  type ServerSettings,
  type ServerTableOptions,
  serverTable,
} from "./server-options.js";
import type { OptionTable } from "./table.js";
import { TRANSLATIONS } from "./translations.js";
import type { Translations } from "./unknown-name.js";

const LIMITS = ["messagesPerSecond", "bytesPerSecond", "handlerMsPerSecond"];

const atTheTop = { ...serverTable, ...routeTable, ...handlingTable };
const inARoute = { handler: handlingTable.handler, ...routeTable };

/** In a route also the options of the server are unknown. */
const inARouteTranslations: Translations = {
  ...TRANSLATIONS,
  ...Object.fromEntries(
    Object.keys(atTheTop)
      .filter((name) => !Object.hasOwn(inARoute, name))
      .map((name) => [name, "this is an option of the server, not of a route"]),
  ),
};

/** How the options of a program differ from the options of `serve`. */
export interface OptionNames {
  /** Options that the caller has taken out, by row. Default none. */
  readonly taken?: OptionTable;
  /** Options that the caller refuses. Default none. */
  readonly refused?: readonly string[];
}

/** Checks the options of a server; throws `BAD_OPTION` with the name of the first bad option. */
export function readServerOptions(options: unknown, { taken, refused = [] }: OptionNames = {}): ServerSettings {
  checkOptionsObject(options, "an object such as { port: 8080, handler }");
  const top = { options };
  checkNames(top, { ...atTheTop, ...taken }, { translations: TRANSLATIONS, hidden: refused });
  const folder = options.static;
  if (isFolder(folder) && isRoot(folder))
    refuseOption("static", `expected a folder below the root, got ${show(folder)}`);
  const settings = readSettings<ServerTableOptions, typeof serverTable>(serverTable, top);
  const routes = readRoutes(top, settings);
  checkHistories(routes, settings);
  return { ...settings, routes };
}

type ForRoutes = Pick<ServerSettings, "closeTimeoutMs">;

function readRoutes(top: OptionLayer, server: ForRoutes): ServerSettings["routes"] {
  const given: { handler: unknown; routes: unknown } = readSettings<Handling, typeof handlingTable>(handlingTable, top);
  const { handler, routes } = given;
  if (routes === undefined) return [readRoute(undefined, handler, [top], server)];
  if (handler !== undefined) refuseOption("handler", "expected either handler or routes, got both");
  if (!isRecord(routes)) refuseOption("routes", `expected an object of routes by path, got ${show(routes)}`);
  const patterns = new Patterns();
  const [first, ...others] = Object.entries(routes).map(([path, route]) => {
    const name = `routes["${path}"]`;
    const problem = problemOf(path) ?? patterns.add(path);
    if (problem !== undefined) refuseOption(name, problem);
    if (!isRecord(route)) refuseOption(name, `expected an object with a handler, got ${show(route)}`);
    const own = { options: route, at: `${name}.` };
    checkNames(own, inARoute, { translations: inARouteTranslations });
    return readRoute(path, route.handler, [own, top], server);
  });
  if (first === undefined) refuseOption("routes", "expected at least one route");
  // The options at the top may do without a limit for as long as a route has a limit to which they apply.
  checkBudget(top, [top, ...Object.values(routes).map((route) => ({ options: Object(route) }))]);
  return [first, ...others];
}

/** @param layers the options of the route before the options of the server */
function readRoute(
  path: string | undefined,
  handler: unknown,
  layers: readonly [OptionLayer, ...OptionLayer[]],
  { closeTimeoutMs }: ForRoutes,
): RouteDefinition {
  const [{ at = "" }] = layers;
  if (!isHandler(handler)) refuseOption(`${at}handler`, `expected ${HANDLER_SHAPES}, got ${show(handler)}`);
  const settings = readSettings<RouteTableOptions, typeof routeTable>(routeTable, ...layers);
  checkBudget(layers[0], layers);
  const { highWaterEvents } = settings.mailbox;
  const { lowWaterEvents = Math.floor(highWaterEvents / 4) } = settings.mailbox;
  if (lowWaterEvents >= highWaterEvents)
    refuseOption(
      `${at}mailbox.lowWaterEvents`,
      `expected less than mailbox.highWaterEvents (${highWaterEvents}), got ${lowWaterEvents}`,
    );
  if (settings.concurrency === "connection" && typeof handler !== "function" && !isStateless(handler))
    refuseOption(`${at}concurrency`, `"connection" needs a handler function, or a handler of a protocol without init`);
  return { path, handler, settings: { ...settings, mailbox: { ...settings.mailbox, lowWaterEvents }, closeTimeoutMs } };
}

/** Refuses a budget for which no layer has a limit: such a budget would protect nothing. With 0 the program says that nothing is meant. */
function checkBudget({ options, at = "" }: OptionLayer, layers: readonly OptionLayer[]): void {
  const own: unknown = Reflect.get(options, "budget");
  if (own === undefined) return;
  const budgets = layers.map((layer) => Object(Reflect.get(layer.options, "budget")));
  if (budgets.some((budget) => LIMITS.some((limit) => budget[limit] !== undefined))) return;
  const given = Object.keys(Object(own)).filter((name) => !LIMITS.includes(name));
  refuseOption(
    `${at}budget`,
    `expected at least one limit (${LIMITS.join(", ")}; 0 is no limit), got ${given.length === 0 ? "none" : `only ${given.join(", ")}`}`,
  );
}

/** A handler of a protocol that keeps nothing between two events. */
function isStateless(handler: Handler): boolean {
  const description = descriptionOf(handler);
  return description !== undefined && description.find("init") === undefined;
}
