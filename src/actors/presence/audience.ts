/**
 * What has been told of the keys of a room, to the clients or to the handler, and which keys have news. The next news of a key are told in
 * relation to what was told last, so that `joined` and `left` alternate. An audience belongs to a room.
 */
import type { Json } from "../../api/json.js";
import { isSameInfo } from "./shown-info.js";

/** A key as the room has it now. */
export interface KnownKey {
  readonly info: Json;
  readonly since: number;
  readonly connections: number;
}

/** Who caused the last change of a key. */
export interface Cause {
  /** The id of the connection; absent if the connection is of another node, or not known. */
  readonly id: string | undefined;
  readonly isLocal: boolean;
  /** Whether the notice goes to every member. Default: not to the connection. */
  readonly isForAll?: true;
}

export interface News {
  readonly type: "joined" | "changed" | "left";
  readonly key: string;
  readonly info: Json;
  /** The number of keys after the change. */
  readonly count: number;
  readonly cause: Cause;
}

/** Which of the waiting news are told now. Default: of each key that had no news in this turn. */
export interface WhichNews {
  /** A key that is about to come (again): to have left is no news. */
  readonly coming?: string;
  /** Whether keys may have news again in the turn: the list is about to be read. */
  readonly isAgain?: boolean;
}

export class Audience {
  readonly #told = new Map<string, KnownKey>();
  /** The sum over the keys that were told: a walk over the keys for each newcomer would be too much in a large room. */
  #connections = 0;
  readonly #changed = new Map<string, Cause>();
  /** Keys of which news were told in the turn. */
  readonly #toldNow = new Set<string>();
  #turn = -1;

  /** The keys that were told. */
  get told(): ReadonlyMap<string, KnownKey> {
    return this.#told;
  }

  /** The number of connections of the keys that were told. */
  get connections(): number {
    return this.#connections;
  }

  get hasNews(): boolean {
    return this.#changed.size > 0;
  }

  onChanged(key: string, cause: Cause): void {
    this.#changed.delete(key);
    this.#changed.set(key, cause);
  }

  /**
   * Takes the news in the order of the changes. A second change of a key in a turn waits for the next turn, unless the list is read before.
   * @param turn the number of the turn
   * @param now the key as the room has it now; `undefined` if the key is not present
   */
  *takeNews(turn: number, now: (key: string) => KnownKey | undefined, which: WhichNews = {}): Generator<News> {
    if (turn !== this.#turn) this.#toldNow.clear();
    this.#turn = turn;
    // What changes while the news are told waits for the next turn.
    let waiting = this.#changed.size;
    for (const [key, cause] of this.#changed) {
      if (waiting-- === 0) return;
      const known = now(key);
      const isNoNews = key === which.coming && known === undefined;
      if (isNoNews || (!which.isAgain && this.#toldNow.has(key))) continue;
      this.#changed.delete(key);
      const news = this.#compare(key, known, cause);
      if (news === undefined) continue;
      this.#toldNow.add(key);
      yield news;
    }
  }

  /** The key goes, without news. */
  drop(key: string): void {
    this.#changed.delete(key);
    this.#replace(key, undefined);
  }

  /** Takes over what the room has without telling, for the keys without news; the other keys go. */
  forget(now: (key: string) => KnownKey | undefined): void {
    for (const key of this.#told.keys()) {
      if (this.#changed.get(key)?.isLocal) continue;
      this.#changed.delete(key);
      const known = now(key);
      this.#replace(key, known);
    }
    for (const [key, { isLocal }] of this.#changed) if (!isLocal) this.#changed.delete(key);
  }

  #compare(key: string, known: KnownKey | undefined, cause: Cause): News | undefined {
    const told = this.#told.get(key);
    if (known === undefined) {
      if (told === undefined) return undefined;
      this.#replace(key, undefined);
      return { type: "left", key, info: told.info, count: this.#told.size, cause };
    }
    this.#replace(key, known);
    if (told !== undefined && isSameInfo(told.info, known.info)) return undefined;
    return { type: told === undefined ? "joined" : "changed", key, info: known.info, count: this.#told.size, cause };
  }

  #replace(key: string, known: KnownKey | undefined): void {
    this.#connections += (known?.connections ?? 0) - (this.#told.get(key)?.connections ?? 0);
    if (known === undefined) this.#told.delete(key);
    else this.#told.set(key, known);
  }
}
