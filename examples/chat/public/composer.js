// The field in which one writes.
import { $ } from "./dom.js";

const text = $("text");

/** `onSay(line)` when a line is finished, `onTyping(isTyping)` at each key. */
export function listen(onSay, onTyping) {
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const line = text.value.trim();
    if (line === "") return;
    write("");
    onSay(line);
  });
  text.addEventListener("input", () => {
    grow();
    onTyping(text.value.trim() !== "");
  });
}

text.addEventListener("keydown", (event) => {
  // Enter that ends the composition of a Japanese word, say, is not meant for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

/** What could not be sent stands before what is being written. */
export function putBack(lines) {
  write([...lines, text.value].filter(Boolean).join("\n"));
}

export function complain(problem) {
  $("say-error").textContent = problem;
}

export function focusText() {
  text.focus();
}

function write(value) {
  text.value = value;
  grow();
}

function grow() {
  complain("");
  const left = text.maxLength - text.value.length;
  $("room-left").textContent = left <= 100 ? String(left) : "";
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}
