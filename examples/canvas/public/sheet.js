// The sheet: draws strokes, and makes them from what pointers do (mouse, pen, any number of fingers). Knows of no socket.
//
// A stroke is {"c": "#rrggbb", "w": width, "p": [x, y, x, y, …]} in JSON, in the canvas's own pixels.
import { $ } from "./page.js";

// A picture may be long in coming, and the server takes 16 KiB in one message.
const MAX_NUMBERS = 1_000;

const canvas = $("canvas");
const ink = canvas.getContext("2d");
ink.lineCap = ink.lineJoin = "round";

export function wipe() {
  ink.clearRect(0, 0, canvas.width, canvas.height);
}

/** What is no stroke draws nothing: it comes from others. */
export function draw(json) {
  const stroke = parse(json);
  if (!/^#[0-9a-f]{6}$/.test(stroke.c) || !Number.isFinite(stroke.w)) return;
  if (!Array.isArray(stroke.p) || stroke.p.length < 4 || !stroke.p.every(Number.isFinite)) return;
  ink.strokeStyle = stroke.c;
  ink.lineWidth = Math.min(Math.max(stroke.w, 1), 100);
  ink.beginPath();
  for (let i = 0; i + 1 < stroke.p.length; i += 2) ink.lineTo(stroke.p[i], stroke.p[i + 1]);
  ink.stroke();
}

function parse(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/**
 * Calls `onStroke(json)` for what has been drawn and `onMove(x, y)` for where the pointer is, once a picture each at most.
 * `brush()` says { c, w }, `canDraw()` whether a pointer that comes down now begins a stroke.
 */
export function watchPointers({ brush, canDraw, onStroke, onMove }) {
  /** The points of each pointer that is down, from the last that was told on. */
  const drawn = new Map();
  let place;
  let isScheduled = false;

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      for (const id of drawn.keys()) tell(id);
      if (place) onMove(...place);
      place = undefined;
    });
  }

  function tell(id) {
    const points = drawn.get(id);
    if (points.length < 4) return;
    const stroke = JSON.stringify({ ...brush(), p: points });
    draw(stroke);
    onStroke(stroke);
    drawn.set(id, points.slice(-2));
  }

  function end({ pointerId }) {
    if (drawn.has(pointerId)) tell(pointerId);
    drawn.delete(pointerId);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !canDraw()) return;
    canvas.setPointerCapture(event.pointerId);
    const at = pointOf(event);
    // Two points in one place are a dot.
    drawn.set(event.pointerId, [...at, ...at]);
    schedule();
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = pointOf(event);
    const points = drawn.get(event.pointerId);
    points?.push(...at);
    if (points?.length > MAX_NUMBERS) tell(event.pointerId);
    place = at;
    schedule();
  });
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

/** In the canvas's own pixels, never outside it. */
function pointOf({ clientX, clientY }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const within = (share, size) => Math.round(Math.min(Math.max(share, 0), 1) * size);
  return [within((clientX - left) / width, canvas.width), within((clientY - top) / height, canvas.height)];
}
