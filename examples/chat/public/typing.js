// Whether one is writing: told when it begins and when it ends, not at each key.

/** Who has not touched a key for so long is not writing any more. */
const PAUSE_MS = 4_000;

/** `tell(isTyping)` returns whether it could be told. */
export function createTyping(tell) {
  let isTyping = false;
  let pause;
  const set = (next) => {
    clearTimeout(pause);
    if (next) pause = setTimeout(set, PAUSE_MS, false);
    if (next !== isTyping && tell(next)) isTyping = next;
  };
  return {
    set,
    /** The server knows by itself that one is not writing. */
    forget() {
      clearTimeout(pause);
      isTyping = false;
    },
  };
}
