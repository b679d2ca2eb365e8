// @ts-check
// A part of the program that knows nothing of sockets: prices that change by themselves. server.js tells the handler of them.

const ITEMS = { apples: 320, bread: 410, coffee: 870 };
const EVERY_MS = 1_000;
const MAX_STEP = 0.05;

/**
 * Calls `onPrice` for a change of one item after the other; the function that it returns ends that.
 * @param {(item: string, cents: number) => void} onPrice
 */
export function openShop(onPrice) {
  const prices = new Map(Object.entries(ITEMS));
  let turn = 0;
  const timer = setInterval(() => {
    const [item, cents] = [...prices][turn++ % prices.size] ?? ["", 0];
    const next = Math.max(1, Math.round(cents * (1 + (Math.random() * 2 - 1) * MAX_STEP)));
    prices.set(item, next);
    onPrice(item, next);
  }, EVERY_MS);
  return () => clearInterval(timer);
}
