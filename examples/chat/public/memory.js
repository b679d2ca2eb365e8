// What the page remembers in the browser's storage. Storage may be switched off; then the page forgets, and all else works.

/**
 * Tells the server that the tabs of this browser, and a page before and after its reload, are one person. Others get to see only what the
 * server makes of it.
 */
export function secret() {
  const known = read("localStorage", "chat-who");
  if (/^[\da-f]{32}$/.test(known)) return known;
  // `crypto.randomUUID` is there on https and on the machine itself only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  write("localStorage", "chat-who", made);
  return made;
}

/** Where this tab is: { nick, room, joined }. A new tab knows the nickname of the last one. */
export function remember(place) {
  write("sessionStorage", "chat", JSON.stringify(place));
  write("localStorage", "chat-nick", place.nick);
}

export function remembered() {
  const nick = read("localStorage", "chat-nick") ?? undefined;
  try {
    return { nick, ...JSON.parse(read("sessionStorage", "chat")) };
  } catch {
    return { nick };
  }
}

function read(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {}
}
