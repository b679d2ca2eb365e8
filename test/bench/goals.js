// @ts-check
/** Whether goals are met, in one run or in several. */

/** @typedef {"wanted" | "within" | "missed"} Verdict */

/**
 * @param {import("./scenarios/rows.js").Goal} goal
 * @param {(row: number, peer: string, metric: string) => number} figure of one run; NaN if the peer took no part
 */
export function ratioOf({ metric, row = 0, peer, of = row }, figure) {
  return figure(row, "sendall", metric) / figure(of, peer, metric);
}

/**
 * @param {import("./scenarios/rows.js").Goal} goal
 * @param {number} ratio
 * @returns {Verdict}
 */
export function judge({ must, want }, ratio) {
  return ratio <= want ? "wanted" : ratio <= must ? "within" : "missed";
}
