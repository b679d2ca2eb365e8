/**
 * Decides which possible action of a run happens next: by a seed, or again as recorded. `explore` makes a chooser for each run, which
 * ends with the run.
 */
import { SeededRandom } from "../runtime/random.js";

/**
 * A decision of a run. From 0: the index of an action; 0 is the default action. Below zero: the fault with index `-1 - decision` comes
 * in between.
 */
export type Decision = number;

/** Larger than any index: in a recorded decision the number stands for the last action, a step of the server or the next alarm. */
export const LAST_ACTION = 1_000_000;

export interface Chooser {
  /**
   * @param actions how many actions are possible, at least one
   * @param faults how many faults are possible
   * @param rare how many of the faults, the first ones, are rare
   */
  choose(actions: number, faults: number, rare: number): Decision;
  /** Every decision so far. */
  readonly decisions: readonly Decision[];
}

/** One in 12 decisions is a fault, if the scenario asks for faults. */
const FAULT_ODDS = 12;
/** One in 12 to 1,536 decisions is a rare fault, out of the seed: such a fault comes early in some runs and late in others. */
const MAX_RARITY = 8;

export class SeededChooser implements Chooser {
  readonly decisions: Decision[] = [];
  readonly #random: SeededRandom;
  /** Extra weights of the first and of the last action, different for each seed: runs far from the average order are tried too. */
  readonly #firstWeight: number;
  readonly #lastWeight: number;
  /** Drawn for a run that may have rare faults. */
  #rareOdds: number | undefined;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#firstWeight = this.#random.below(4);
    this.#lastWeight = this.#random.below(4);
  }

  choose(actions: number, faults: number, rare: number): Decision {
    const decision = this.#drawRare(rare) ?? this.#draw(actions, faults, rare);
    this.decisions.push(decision);
    return decision;
  }

  #drawRare(rare: number): Decision | undefined {
    if (rare === 0) return undefined;
    this.#rareOdds ??= FAULT_ODDS * 2 ** this.#random.below(MAX_RARITY);
    return this.#random.below(this.#rareOdds) === 0 ? -1 - this.#random.below(rare) : undefined;
  }

  #draw(actions: number, faults: number, rare: number): Decision {
    const common = faults - rare;
    if (common > 0 && this.#random.below(FAULT_ODDS) === 0) return -1 - rare - this.#random.below(common);
    if (actions === 1) return 0;
    const drawn = this.#random.below(actions + this.#firstWeight + this.#lastWeight);
    if (drawn < actions) return drawn;
    return drawn < actions + this.#firstWeight ? 0 : actions - 1;
  }
}

/** Repeats recorded decisions; after the last of them, always takes the default action. */
export class ReplayChooser implements Chooser {
  readonly decisions: Decision[] = [];
  readonly #recorded: readonly Decision[];

  constructor(recorded: readonly Decision[]) {
    this.#recorded = recorded;
  }

  choose(actions: number, faults: number): Decision {
    const recorded = this.#recorded[this.decisions.length] ?? 0;
    const decision = -recorded > faults ? 0 : Math.min(recorded, actions - 1);
    this.decisions.push(decision);
    return decision;
  }
}
