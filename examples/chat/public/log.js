// The list of messages and notices, headed by days: adds at the end, drops at the start, and stays at the end while it is read there.
import { $, avatar, element, paint } from "./dom.js";
import { withLinks } from "./links.js";

const MAX_ENTRIES = 500;
// Messages of one person within this time stand together under one name.
const TOGETHER_MS = 3 * 60_000;
const NEAR_END_PX = 60;

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const log = $("log");
const newest = $("newest");
let last;
let lastDay;
// Not every browser lets the keyboard into what scrolls.
log.tabIndex = 0;

export function addMessage({ key, nick, text, at, own }) {
  headDay(at);
  const together = last?.key === key && last.nick === nick && at - last.at < TOGETHER_MS;
  last = { key, nick, at };
  const kind = `message${own ? " own" : ""}${together ? " together" : ""}`;
  const entry = element("article", { class: kind, "data-testid": "message" });
  const head = element("header", {}, element("b", {}, own ? "You" : nick), stamp(at));
  // Within a group the name is there for those who listen, not for those who look.
  if (together) head.className = "unseen";
  entry.append(avatar(nick), head, element("p", { class: "bubble", title: time.format(at) }, ...withLinks(text)));
  append(paint(entry, nick), own);
}

/** What one has said and nobody has got yet; the function that is returned takes it away again. */
export function addWaiting(text) {
  headDay(Date.now());
  last = undefined;
  const head = element("header", {}, element("span", { class: "quiet" }, "Waits to be sent"));
  const entry = element("article", { class: "message own waiting", "data-testid": "waiting" }, head);
  entry.append(element("p", { class: "bubble" }, text));
  append(entry, true);
  return () => entry.remove();
}

export function addNotice(text, at = Date.now()) {
  headDay(at);
  last = undefined;
  append(element("p", { class: "notice", "data-testid": "notice" }, element("span", {}, text), " ", stamp(at)), false);
}

export function clearLog() {
  last = undefined;
  lastDay = undefined;
  log.replaceChildren();
  newest.hidden = true;
}

/** What was said on another day than the entry before stands below a heading of its own. */
function headDay(at) {
  const name = day.format(at);
  if (name === lastDay) return;
  lastDay = name;
  last = undefined;
  append(element("h2", { class: "day", "data-testid": "day" }, name), false);
}

function stamp(at) {
  return element("time", { datetime: new Date(at).toISOString() }, time.format(at));
}

function append(entry, own) {
  const follow = own || isAtEnd();
  log.append(entry);
  while (log.childElementCount > MAX_ENTRIES) dropOldest();
  if (follow) toEnd();
  else newest.hidden = false;
}

/** The heading goes with the last entry of its day. */
function dropOldest() {
  const [heading, entry] = log.children;
  (entry.matches(".day") ? heading : entry).remove();
}

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
  newest.hidden = true;
}

newest.addEventListener("click", () => {
  toEnd();
  $("text").focus();
});
log.addEventListener("scroll", () => {
  if (isAtEnd()) newest.hidden = true;
});
// A keyboard that slides in or a growing text field takes height away: the newest message stays in sight.
let height = log.clientHeight;
new ResizeObserver(() => {
  const lost = height - log.clientHeight;
  height = log.clientHeight;
  if (lost > 0 && log.scrollHeight - log.scrollTop - height - lost < NEAR_END_PX) toEnd();
}).observe(log);
