// The few DOM moves that log.js and panels.js share. What people wrote goes into the page as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** element("li", { class: "notice" }, "text", child, …) */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function avatar(nick) {
  return paint(element("span", { class: "avatar", "aria-hidden": "true" }, initials(nick)), nick);
}

/** Hands the nick's colour to the style sheet, which knows how light it has to be. */
export function paint(target, nick) {
  let hash = 0;
  for (const character of nick.toLowerCase()) hash = (hash * 31 + character.codePointAt(0)) | 0;
  // A multiple of 30 degrees apart, so that two people either share a colour or are told apart at a glance.
  target.style.setProperty("--hue", String((Math.abs(hash) % 12) * 30 + 10));
  return target;
}

function initials(nick) {
  const words = nick.split(/[\s._-]+/u).filter(Boolean);
  const letters = (words.length > 1 ? words.slice(0, 2) : [nick]).map(firstCharacter);
  return letters.join("").toUpperCase();
}

/** As people count: an emoji of many code points is one. */
function firstCharacter(word) {
  const [first] = new Intl.Segmenter().segment(word);
  return first?.segment ?? "";
}
