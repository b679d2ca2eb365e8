// @ts-check
/**
 * What is measured, and how it should come out. A scenario has a row for each setting that it is played in; a new one names
 * the role that the servers play (`servers/`), who takes part, the load's settings, and what is measured (`measures.js`).
 */
import { connections } from "./scenarios/connections.js";
import { features } from "./scenarios/features.js";
import { messages } from "./scenarios/messages.js";
import { processes } from "./scenarios/processes.js";
import { runtimes } from "./scenarios/runtimes.js";
import { overTls } from "./scenarios/tls.js";

export const scenarios = [...messages, ...features, ...connections, ...processes, ...overTls, ...runtimes];
