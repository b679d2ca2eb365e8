#!/usr/bin/env node
/** The command `sendall`. */
import { complain } from "./cli/exit.js";
import { main } from "./cli/main.js";

main(process.argv.slice(2)).catch(complain);
