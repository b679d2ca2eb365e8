/** Decides which of the things that may happen next does: by a seed, or again as it was written down. */
import { Random } from "../runtime/random.js";

/**
 * One decision of a run: the number of what was to happen, from 0, which is what would happen if nobody decided; or, below zero, of
 * the fault that came in between.
 */
export type Decision = number;

/** More than can ever happen at once: written down, it means the last of what may happen (the server goes on, or time does). */
export const LAST = 1_000_000;

export interface Chooser {
  /** @param options how many things may happen, at least one @param faults how many faults may come in between */
  choose(options: number, faults: number): Decision;
  /** What was decided so far. */
  readonly decisions: readonly Decision[];
}

/** One decision in so many is a fault, where faults were asked for. */
const FAULT_EVERY = 12;

export class SeededChooser implements Chooser {
  readonly decisions: Decision[] = [];
  readonly #random: Random;
  /** How much more likely than others the first and the last that may happen are: orders that are far from chance are tried, too. */
  readonly #firsts: number;
  readonly #lasts: number;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#firsts = this.#random.below(4);
    this.#lasts = this.#random.below(4);
  }

  choose(options: number, faults: number): Decision {
    const decision = this.#draw(options, faults);
    this.decisions.push(decision);
    return decision;
  }

  #draw(options: number, faults: number): Decision {
    if (faults > 0 && this.#random.below(FAULT_EVERY) === 0) return -1 - this.#random.below(faults);
    if (options === 1) return 0;
    const drawn = this.#random.below(options + this.#firsts + this.#lasts);
    if (drawn < options) return drawn;
    return drawn < options + this.#firsts ? 0 : options - 1;
  }
}

/** Decides as before; beyond that, as if nobody did. */
export class WrittenChooser implements Chooser {
  readonly decisions: Decision[] = [];
  readonly #written: readonly Decision[];

  constructor(written: readonly Decision[]) {
    this.#written = written;
  }

  choose(options: number, faults: number): Decision {
    const written = this.#written[this.decisions.length] ?? 0;
    const decision = -written > faults ? 0 : Math.min(written, options - 1);
    this.decisions.push(decision);
    return decision;
  }
}
