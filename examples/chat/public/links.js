// Links in what people write. Only http and https become links, and what a link shows is where it goes.
import { element } from "./dom.js";

// Invisible characters, such as those that turn the direction of writing, are no part of an address.
const ADDRESS = /\bhttps?:\/\/[^\s\p{C}<>"]+/giu;
// A sentence may end after an address, or a quotation or a bracket around it.
const TAIL = /[.,:;!?'*_~…。、，：；！？\p{Pf}]+$/u;
const CLOSING = new Map([
  [")", "("],
  ["]", "["],
  ["}", "{"],
  ["）", "（"],
  ["」", "「"],
]);

/** The text as nodes for `append`. */
export function withLinks(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trim(found);
    if (!URL.canParse(address)) continue;
    nodes.push(text.slice(end, index), link(address));
    end = index + address.length;
  }
  return [...nodes, text.slice(end)];
}

function link(address) {
  const { href } = new URL(address);
  return element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, address);
}

function trim(found) {
  const address = found.replace(TAIL, "");
  const closing = address.at(-1);
  const opening = CLOSING.get(closing);
  // A bracket that is opened in the address, as on Wikipedia, is closed there.
  const isOutside = opening !== undefined && count(address, closing) > count(address, opening);
  return isOutside ? trim(address.slice(0, -1)) : address;
}

function count(text, character) {
  return text.split(character).length - 1;
}
