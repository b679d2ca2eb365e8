#!/usr/bin/env node
/** The command `sendall`. */
import { exitWithError } from "./cli/exit.js";
import { main } from "./cli/main.js";

main(process.argv.slice(2)).catch(exitWithError);
