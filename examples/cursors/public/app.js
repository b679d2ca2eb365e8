// The cursors page: tells where the pointer is, at most once a frame, and shows the pointers of the other pages.
import { $, showState } from "./page.js";

const template = $("cursor");
const transport = new URLSearchParams(window.location.search).get("transport");
const AGAIN_MS = 1_000;

/** The cursors of the other pages, by number. */
const cursors = new Map();

function cursorOf(who) {
  const known = cursors.get(who);
  if (known) return known;
  const cursor = template.content.firstElementChild.cloneNode(true);
  // Neighbours differ much in colour.
  cursor.style.fill = `hsl(${(who * 137) % 360} 70% 50%)`;
  cursors.set(who, cursor);
  document.body.append(cursor);
  return cursor;
}

const receive = {
  count({ count }) {
    $("count").textContent = count === 1 ? "Nobody else is here" : `${count} are here`;
  },
  move({ who, x, y }) {
    cursorOf(who).style.transform = `translate(${x * window.innerWidth}px, ${y * window.innerHeight}px)`;
  },
  left({ who }) {
    cursors.get(who)?.remove();
    cursors.delete(who);
  },
};

let socket;
let place;

function open() {
  showState("connecting", "Connecting…");
  socket = new SockJS("/cursors", null, transport ? { transports: transport } : {});
  socket.onopen = () => showState("online", "Connected");
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    receive[message.type]?.(message);
  };
  socket.onclose = () => {
    showState("connecting", "Connection lost. Trying again…");
    $("count").textContent = "";
    for (const who of [...cursors.keys()]) receive.left({ who });
    setTimeout(open, AGAIN_MS);
  };
}

function tell() {
  if (socket.readyState === SockJS.OPEN) socket.send(JSON.stringify(place));
  place = undefined;
}

addEventListener("pointermove", ({ clientX, clientY }) => {
  if (place === undefined) requestAnimationFrame(tell);
  const part = (at, size) => Math.min(Math.max(at / size, 0), 1);
  place = { x: part(clientX, window.innerWidth), y: part(clientY, window.innerHeight) };
});

open();
