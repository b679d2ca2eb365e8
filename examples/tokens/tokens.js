// @ts-check
// The handler of the tokens: one answer at a time, for all who are there. What there is of it is the handler's state, which newcomers
// get at once; the tokens follow as the model says them.
//
// A client sends   {ask: question}
// and gets         {question, text, tokens, isDone} when it is new, and when a question is asked
//                  {n, token} for each token, from 1
//                  {isDone: true} after the last
import { answer } from "./model.js";

const TOKEN_MS = 60;
const MAX_QUESTION = 100;

/** @typedef {{ readonly question: string, readonly tokens: readonly string[], readonly said: number }} State */

/** @returns {import("sendall").StatefulHandler<State>} */
export function createTokens() {
  return {
    init: () => ({ question: "", tokens: [], said: 0 }),
    handle(event, state, bus) {
      if (event.type === "open") bus.unicast(soFar(state), event.connection);
      if (event.type === "message") {
        const question = read(event.text);
        // The answer to the question of before comes to its end first.
        return question === "" || !isDone(state) ? state : begin(question, bus);
      }
      return event.type === "info" ? sayNext(state, bus) : state;
    },
  };
}

/** @param {string} question @param {import("sendall").Bus} bus @returns {State} */
function begin(question, bus) {
  const state = { question, tokens: answer(question), said: 0 };
  bus.sendall(soFar(state));
  bus.after(TOKEN_MS, "next");
  return state;
}

/** @param {State} state @param {import("sendall").Bus} bus @returns {State} */
function sayNext({ question, tokens, said }, bus) {
  const next = { question, tokens, said: said + 1 };
  bus.sendall(JSON.stringify({ n: next.said, token: tokens[said] }));
  if (isDone(next)) bus.sendall(JSON.stringify({ isDone: true }));
  else bus.after(TOKEN_MS, "next");
  return next;
}

/** @param {State} state */
function isDone({ tokens, said }) {
  return said === tokens.length;
}

/** @param {State} state */
function soFar(state) {
  const { question, tokens, said } = state;
  return JSON.stringify({ question, text: tokens.slice(0, said).join(""), tokens: said, isDone: isDone(state) });
}

/** What is no question is read as an empty one. @param {string} json */
function read(json) {
  try {
    const { ask } = Object(JSON.parse(json));
    return typeof ask === "string" ? ask.trim().slice(0, MAX_QUESTION) : "";
  } catch {
    return "";
  }
}
