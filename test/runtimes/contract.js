/**
 * The contract (docs/reference/contract.md) as a plain program over real sockets, for every runtime that has Node's modules: Node, Bun and
 * Deno. A line for each sentence, as TAP has them, and at the end how many of them hold. `differences.js` says which do not hold where; one
 * that is listed there and holds nevertheless is a failure, too. Words after the name of the program choose the sentences that contain one.
 */
import { differences, unreliable } from "./differences.js";
import { name, title as runtime } from "./runtime.js";
import { admission } from "./sentences/admission.js";
import { around } from "./sentences/around.js";
import { endings } from "./sentences/endings.js";
import { events } from "./sentences/events.js";
import { failures } from "./sentences/failures.js";
import { limits } from "./sentences/limits.js";
import { protocols } from "./sentences/protocols.js";
import { rooms } from "./sentences/rooms.js";
import { sending } from "./sentences/sending.js";
import { sessions } from "./sentences/sessions.js";
import { sockjs } from "./sentences/sockjs.js";
import { Stage } from "./stage.js";

/** Far more than any sentence takes, on a busy machine too. */
const LIMIT_MS = 20_000;
/** For a sentence that does not hold, and may wait in vain. */
const LIMIT_OF_DIFFERENCES_MS = 1_000;

const sentences = [
  ...events,
  ...sending,
  ...limits,
  ...failures,
  ...endings,
  ...sessions,
  ...protocols,
  ...rooms,
  ...admission,
  ...sockjs,
  ...around,
];

const words = process.argv.slice(2);
const chosen = sentences.filter(([title]) => words.length === 0 || words.some((word) => title.includes(word)));

/** @param {unknown} error */
const causeOf = (error) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/**
 * What a sentence leaves behind must not end the program: Sendall charges the connection, and if it does not, the sentence waits in vain.
 * @type {unknown}
 */
let stray;
for (const event of ["uncaughtException", "unhandledRejection"])
  process.on(event, (error) => {
    stray = error;
  });

let passed = 0;
let failed = 0;
console.log(`# ${runtime}`);
console.log(`1..${chosen.length}`);
for (const [index, [title, run]] of chosen.entries()) {
  const whyNot = unreliable[title]?.[name];
  if (whyNot !== undefined) {
    console.log(`ok ${index + 1} - ${title} # skip ${whyNot}`);
    continue;
  }
  const difference = differences[title]?.[name];
  /** @type {unknown} */
  let problem;
  try {
    stray = undefined;
    await new Stage().play(run, difference === undefined ? LIMIT_MS : LIMIT_OF_DIFFERENCES_MS);
    if (difference !== undefined) problem = `holds, but is listed in differences.js: ${difference}`;
  } catch (error) {
    if (difference === undefined)
      problem = [error, ...(stray === undefined ? [] : ["stray:", stray])].map(causeOf).join("\n");
  }
  const isPassed = problem === undefined;
  const remark = isPassed && difference !== undefined ? ` # differs: ${difference}` : "";
  console.log(`${isPassed ? "ok" : "not ok"} ${index + 1} - ${title}${remark}`);
  if (isPassed) passed++;
  else {
    failed++;
    console.log(String(problem).replaceAll(/^/gm, "  "));
  }
}
const listed = [...Object.keys(differences), ...Object.keys(unreliable)];
const unknown = listed.filter((title) => !sentences.some(([known]) => known === title));
for (const title of unknown) console.log(`not ok - differences.js lists a sentence that nothing checks: ${title}`);
failed += unknown.length;
console.log(`# ${passed} passed, ${failed} failed`);
// What a sentence has left open must not keep the program.
process.exit(failed === 0 && passed > 0 ? 0 : 1);
