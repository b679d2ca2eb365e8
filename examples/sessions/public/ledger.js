// What one end has said to the other, by number from 1, and what became of it. Neither road lets a message overtake another, so what has
// not arrived when a later message has is lost, and what is later than all that has arrived is under way.

export class Ledger {
  /** How often each number has arrived. */
  #arrivals = [];
  #last = 0;

  said(n) {
    while (this.#arrivals.length < n) this.#arrivals.push(0);
  }

  arrived(n) {
    this.said(n);
    this.#arrivals[n - 1]++;
    this.#last = Math.max(this.#last, n);
  }

  fateOf(n) {
    const times = this.#arrivals[n - 1];
    if (times > 1) return "twice";
    if (times === 1) return "arrived";
    return n < this.#last ? "lost" : "under way";
  }

  get length() {
    return this.#arrivals.length;
  }

  /** { said, arrived, lost, twice }: what came twice has arrived, too. */
  count() {
    const counts = { said: this.length, arrived: 0, lost: 0, twice: 0 };
    for (let n = 1; n <= this.length; n++) {
      const fate = this.fateOf(n);
      if (fate === "twice") counts.arrived++;
      if (fate in counts) counts[fate]++;
    }
    return counts;
  }
}
