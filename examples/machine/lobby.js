// @ts-check
// A lobby as an XState machine: once enough players are in it counts down and starts a round, who taps first wins, and it begins
// again. server.js serves it; the tests run it without a port, in virtual time.
//
//                 enough players              3, 2, 1             all have tapped, or 10 s
//   ┌─▶ waiting ──────────────────▶ countdown ────────▶ round ───────────────────────────▶ results ─┐
//   │      ▲        too few left      │  ▲ │                                                        │ 5 s
//   │      └──────────────────────────┘  └─┘ 1 s each                                               │
//   └───────────────────────────────────────────────────────────────────────────────────────────────┘
//
// Who comes while a round is on looks on, and plays the next. A player sends "tap" and gets JSON: at first {type: "you", id}, then
// at every change {type: "lobby", phase, left, needed, people: [{id, name, plays, place}]}.
import { fromLogic } from "sendall";
import { assign, setup } from "xstate";

const NEEDED = 2;
const COUNT = 3;

/**
 * @typedef {{ name: string }} Player
 * @typedef {import("sendall").Connection<Player>} Connection
 * @typedef {object} Context
 * @property {import("sendall").Bus<Player>} bus
 * @property {number} left seconds of the countdown
 * @property {readonly Connection[]} players who play this round and are still there
 * @property {readonly Connection[]} order who has tapped, the first first
 */

/** @param {string} phase What `show` tells everybody. */
const show = (phase) => /** @type {const} */ ({ type: "show", params: { phase } });

const machine = setup({
  types: {
    context: /** @type {Context} */ ({}),
    events: /** @type {import("sendall").ServerEvent<Player>} */ ({}),
    input: /** @type {import("sendall").LogicInput<Player>} */ ({}),
  },
  delays: { second: 1_000, round: 10_000, results: 5_000 },
  guards: {
    isEnough: ({ context }) => context.bus.connections().length >= NEEDED,
    isLastSecond: ({ context }) => context.left === 1,
    isTap: ({ context: { players, order }, event }) =>
      event.type === "message" &&
      event.text === "tap" &&
      players.includes(event.connection) &&
      !order.includes(event.connection),
    haveAllTapped: ({ context: { players, order } }) => players.every((player) => order.includes(player)),
  },
  actions: {
    greet({ event }) {
      if (event.type === "open") event.connection.send(JSON.stringify({ type: "you", id: event.connection.id }));
    },
    show: ({ context }, /** @type {{ phase: string }} */ { phase }) => context.bus.sendall(picture(phase, context)),
    startCount: assign({ left: COUNT }),
    count: assign({ left: ({ context }) => context.left - 1 }),
    seat: assign({ players: ({ context }) => context.bus.connections(), order: [] }),
    unseat: assign({
      players: ({ context, event }) =>
        context.players.filter((player) => event.type !== "closed" || player !== event.connection),
    }),
    tap: assign({
      order: ({ context, event }) => (event.type === "message" ? [...context.order, event.connection] : context.order),
    }),
    clear: assign({ players: [], order: [] }),
  },
}).createMachine({
  context: ({ input }) => ({ bus: input.bus, left: 0, players: [], order: [] }),
  initial: "waiting",
  states: {
    waiting: {
      entry: ["clear", show("waiting")],
      always: { guard: "isEnough", target: "countdown", actions: "startCount" },
      on: { open: { actions: ["greet", show("waiting")] }, closed: { actions: show("waiting") } },
    },
    countdown: {
      entry: show("countdown"),
      after: {
        second: [
          { guard: "isLastSecond", target: "round" },
          { target: "countdown", reenter: true, actions: "count" },
        ],
      },
      on: {
        open: { actions: ["greet", show("countdown")] },
        closed: [{ guard: "isEnough", actions: show("countdown") }, { target: "waiting" }],
      },
    },
    round: {
      entry: ["seat", show("round")],
      always: { guard: "haveAllTapped", target: "results" },
      after: { round: "results" },
      on: {
        open: { actions: ["greet", show("round")] },
        closed: { actions: ["unseat", show("round")] },
        message: { guard: "isTap", actions: ["tap", show("round")] },
      },
    },
    results: {
      entry: show("results"),
      after: { results: "waiting" },
      on: { open: { actions: ["greet", show("results")] }, closed: { actions: show("results") } },
    },
  },
});

/** @param {string} phase @param {Context} context */
function picture(phase, { bus, left, players, order }) {
  // Who was among the first keeps the place, though gone.
  const people = [...new Set([...order, ...bus.connections()])].map((connection) => ({
    id: connection.id,
    name: connection.data.name,
    plays: players.includes(connection),
    place: order.includes(connection) ? order.indexOf(connection) + 1 : null,
  }));
  return JSON.stringify({ type: "lobby", phase, left, needed: NEEDED, people });
}

/** Each server makes its own actor of it. */
export const lobby = fromLogic(machine);
