// The list of messages and notices, headed by days: adds at the end, drops at the start, and stays at the end while it is read there.
import { dayHeading, dayOf, nameAgain, onNewDay } from "./days.js";
import { $, avatar, element, paint } from "./dom.js";
import { withLinks } from "./links.js";

const MAX_ENTRIES = 500;
// Messages of one person within this time stand together under one name.
const TOGETHER_MS = 3 * 60_000;
const NEAR_END_PX = 60;

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const log = $("log");
const newest = $("newest");
let last;
let lastDay;
/** The positions of the messages in the log. */
const positions = new Set();
// Not every browser lets the keyboard into what scrolls.
log.tabIndex = 0;

export function addMessage(message) {
  if (!isThere(message)) add(message.own, () => placeMessage(message));
}

/** What was said before, oldest first. */
export function addPast(messages) {
  const news = messages.filter((message) => !isThere(message));
  if (news.length > 0) unspoken(() => add(false, () => news.forEach(placeMessage)));
}

/** Whoever has lost the line may get again what is there. */
function isThere({ position }) {
  return positions.has(position);
}

function placeMessage({ key, nick, text, at, own, position }) {
  headDay(at);
  const together = last?.key === key && last.nick === nick && at - last.at < TOGETHER_MS;
  last = { key, nick, at };
  const kind = `message${own ? " own" : ""}${together ? " together" : ""}`;
  const entry = element("article", { class: kind, "data-testid": "message" });
  if (position !== undefined) {
    entry.dataset.position = position;
    positions.add(position);
  }
  const head = element("header", {}, element("b", {}, own ? "You" : nick), stamp(at));
  // Within a group the name is there for those who listen, not for those who look.
  if (together) head.className = "unseen";
  entry.append(avatar(nick), head, element("p", { class: "bubble", title: time.format(at) }, ...withLinks(text)));
  log.append(paint(entry, nick));
}

/** What one has said and nobody has got yet; the function that is returned takes it away again. */
export function addWaiting(text) {
  const head = element("header", {}, element("span", { class: "quiet" }, "Waits to be sent"));
  const entry = element("article", { class: "message own waiting", "data-testid": "waiting" }, head);
  entry.append(element("p", { class: "bubble" }, text));
  add(true, () => place(entry, Date.now()));
  return () => entry.remove();
}

export function addNotice(text, at = Date.now()) {
  const entry = element("p", { class: "notice", "data-testid": "notice" }, element("span", {}, text), " ", stamp(at));
  add(false, () => place(entry, at));
}

export function clearLog() {
  last = undefined;
  lastDay = undefined;
  positions.clear();
  log.replaceChildren();
  newest.hidden = true;
}

/** What belongs to no group. */
function place(entry, at) {
  headDay(at);
  last = undefined;
  log.append(entry);
}

/** What was said on a later day than the entry before stands below a heading of its own. */
function headDay(at) {
  const day = dayOf(at);
  // The clocks of a page and its server differ, and so may their days, for a moment.
  if (day <= lastDay) return;
  lastDay = day;
  last = undefined;
  log.append(dayHeading(at));
}

function stamp(at) {
  return element("time", { datetime: new Date(at).toISOString() }, time.format(at));
}

/** @param own whether to show what comes in any case */
function add(own, placeAll) {
  const follow = own || isAtEnd();
  placeAll();
  while (log.childElementCount > MAX_ENTRIES) dropOldest();
  if (follow) toEnd();
  else newest.hidden = false;
}

/** The heading goes with the last entry of its day. */
function dropOldest() {
  const [heading, entry] = log.children;
  const oldest = entry.matches(".day") ? heading : entry;
  positions.delete(oldest.dataset.position);
  oldest.remove();
}

/** A screen reader says what is new, and not what changes here. */
function unspoken(change) {
  log.setAttribute("aria-live", "off");
  change();
  requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
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
onNewDay(() => unspoken(() => log.querySelectorAll(".day").forEach(nameAgain)));
