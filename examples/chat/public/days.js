// The days that head what was said: "Today", "Yesterday", and a date before that. A page may be open over midnight.
import { element } from "./dom.js";

// No clock is trusted for longer: a machine may sleep over midnight.
const LOOK_AGAIN_MS = 60_000;

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** When the day began, here. */
export function dayOf(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}

export function dayHeading(at) {
  const day = new Date(at);
  const [year, ...others] = [day.getFullYear(), day.getMonth() + 1, day.getDate()];
  const datetime = [year, ...others.map((number) => String(number).padStart(2, "0"))].join("-");
  const named = element("time", { datetime, title: date.format(at) }, nameOf(dayOf(at)));
  return element("h2", { class: "day", "data-testid": "day", "data-day": String(dayOf(at)) }, named);
}

/** Calls `onChange` when another day begins, or has begun. */
export function onNewDay(onChange, today = dayOf(Date.now())) {
  const look = () => {
    const day = dayOf(Date.now());
    if (day !== today) onChange();
    onNewDay(onChange, day);
  };
  setTimeout(look, Math.min(LOOK_AGAIN_MS, dayAfter(today, 1) - Date.now()));
}

/** Headings say other names when another day has begun. */
export function nameAgain(heading) {
  heading.firstElementChild.textContent = nameOf(Number(heading.dataset.day));
}

function nameOf(day) {
  const today = dayOf(Date.now());
  if (day === today) return "Today";
  return day === dayAfter(today, -1) ? "Yesterday" : date.format(day);
}

/** Days have 23 to 25 hours. */
function dayAfter(day, count) {
  const date = new Date(day);
  return date.setDate(date.getDate() + count);
}
