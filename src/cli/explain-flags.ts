/** What the commands say of a command line that Node's `parseArgs` refuses. */
import { nearest } from "../options/unknown-name.js";
import { messageOf } from "../runtime/thrown.js";

/** The beginning of Node's message. */
const UNKNOWN = /^Unknown option '(-[^']*)'/;

/** Describes an error of `parseArgs`. An unknown flag is answered with the likeliest flag, else with the flags that there are. */
export function explainFlags(error: unknown, flags: object): string {
  const problem = messageOf(error);
  const name = UNKNOWN.exec(problem)?.[1];
  if (name === undefined) return problem;
  const known = Object.keys(flags);
  const meant = nearest(name.replace(/^-+/, ""), known);
  const advice =
    meant === undefined ? `the options are ${known.map((flag) => `--${flag}`).join(", ")}` : `did you mean --${meant}?`;
  return `${name}: unknown option: ${advice}`;
}
