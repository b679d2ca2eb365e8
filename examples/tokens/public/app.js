// The page of the tokens: writes down what comes, and checks the number of each token.
import { connect } from "/sendall/client.js";
import { openCable } from "./cable.js";
import { $, follow } from "./page.js";

const SECOND_MS = 1_000;
const DRAW_MS = 250;

/** Of the answer: how many tokens this page has, of those that were missing or came twice, and when the last came. */
let tokens = 0;
let missing = 0;
let twice = 0;
let times = [];
let resumptions = 0;
let isDone = true;

const cable = openCable($("pull"));

const client = connect(() => cable.address("answers"), {
  onOpen({ resumed, replayed }) {
    if (!resumed) return;
    $("resumed").textContent = ++resumptions;
    $("replayed").textContent = replayed;
  },
  onMessage(json) {
    const message = JSON.parse(json);
    if (message.question !== undefined) begin(message);
    if (message.token !== undefined) add(message);
    if (message.isDone !== undefined) isDone = message.isDone;
    $("answer").dataset.done = String(isDone);
    draw();
  },
  reconnect: { minMs: 250, maxMs: 1_000 },
});
follow(client, draw);
setInterval(draw, DRAW_MS);

/** What there is of an answer; the tokens that follow are numbered on from there. */
function begin(answer) {
  $("question").textContent = answer.question;
  $("answer").textContent = answer.text;
  ({ tokens } = answer);
  missing = twice = 0;
  times = [];
}

function add({ n, token }) {
  if (n <= tokens) twice++;
  else {
    missing += n - tokens - 1;
    tokens = n;
    times.push(performance.now());
    write(token);
  }
}

/** Follows the newest line, unless the reader has scrolled up. */
function write(token) {
  const { scrollHeight, scrollTop, clientHeight } = $("answer");
  $("answer").append(token);
  if (scrollHeight - scrollTop - clientHeight < 40) $("answer").scrollTop = scrollHeight;
}

function draw() {
  times = times.filter((time) => performance.now() - time < SECOND_MS);
  $("tokens").textContent = tokens;
  $("rate").textContent = times.length;
  $("missing").textContent = missing;
  $("twice").textContent = twice;
  $("send").disabled = client.state !== "open" || !isDone;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  client.send(JSON.stringify({ ask: event.target.elements.text.value }));
});
