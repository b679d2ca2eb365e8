/**
 * Time, handed in. Every other file asks its clock; this one and the test runtime's are the only ones that know the real
 * thing. `composition roots` make one per server, so that nothing is shared between servers.
 */

/** One alarm that was set; ends when it rings or is cancelled. */
export interface Timer {
  /** It does not ring any more; does nothing once it has rung. */
  cancel(): void;
}

/** The time that a server lives in: real, or driven by a test. */
export interface Clock {
  /** Milliseconds since 1970, never going backwards. */
  now(): number;
  /** Rings once, `ms` from now. Alarms of equal time ring in the order in which they were set. */
  after(ms: number, ring: (() => void) | Alarm): Timer;
  /** Runs `step` as soon as what has arrived by now has been taken in. */
  soon(step: () => void): void;
}

/**
 * What a clock keeps of each alarm. Whoever is woken again and again is one, and sets itself anew: that spares two objects for
 * each connection.
 */
export abstract class Alarm implements Timer {
  /** When it rings, and its place among those of the same time. */
  due = 0;
  order = 0;
  /** Where it stands among the alarms of its clock; -1 while it is not set. */
  index = -1;
  alarms: Alarms | undefined;

  abstract ring(): void;

  cancel(): void {
    this.alarms?.remove(this);
  }
}

class Bell extends Alarm {
  readonly ring: () => void;

  constructor(ring: () => void) {
    super();
    this.ring = ring;
  }
}

function before(a: Alarm, b: Alarm): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/**
 * The alarms of one clock: a binary heap, so that one native timer serves any number of connections and the virtual clock
 * of the tests keeps the very same order as the real one.
 */
export class Alarms {
  readonly #heap: Alarm[] = [];
  readonly #changed: () => void;
  #order = 0;

  /** @param changed called when the earliest alarm may have become another one */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** When the next alarm rings; `undefined` if none is set. */
  get nextDue(): number | undefined {
    return this.#heap[0]?.due;
  }

  /** @param ring what it does, or an alarm; one that is set is set anew */
  set(due: number, ring: (() => void) | Alarm): Timer {
    const alarm = typeof ring === "function" ? new Bell(ring) : ring;
    alarm.cancel();
    alarm.alarms = this;
    alarm.due = due;
    alarm.order = this.#order++;
    alarm.index = this.#heap.length;
    this.#heap.push(alarm);
    this.#up(alarm);
    if (alarm.index === 0) this.#changed();
    return alarm;
  }

  /** Takes out the first alarm that is due at `now`. */
  take(now: number): Alarm | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.due > now) return undefined;
    this.remove(first);
    return first;
  }

  /** Takes it out, if it is there still. */
  remove(alarm: Alarm): void {
    const hole = alarm.index;
    if (hole < 0) return;
    alarm.index = -1;
    const last = this.#heap.pop();
    if (last !== undefined && last !== alarm) {
      this.#put(last, hole);
      this.#up(last);
      this.#down(last);
    }
    if (hole === 0) this.#changed();
  }

  #put(alarm: Alarm, index: number): void {
    this.#heap[index] = alarm;
    alarm.index = index;
  }

  #up(alarm: Alarm): void {
    while (alarm.index > 0) {
      const parent = this.#heap[(alarm.index - 1) >> 1];
      if (parent === undefined || !before(alarm, parent)) return;
      const { index } = parent;
      this.#put(parent, alarm.index);
      this.#put(alarm, index);
    }
  }

  #down(alarm: Alarm): void {
    for (;;) {
      const left = this.#heap[2 * alarm.index + 1];
      const right = this.#heap[2 * alarm.index + 2];
      const child = left !== undefined && right !== undefined && before(right, left) ? right : left;
      if (child === undefined || !before(child, alarm)) return;
      const { index } = child;
      this.#put(child, alarm.index);
      this.#put(alarm, index);
    }
  }
}

// Taken when this file is loaded: a test runner that later replaces the globals must not stop a running server.
const { setTimeout, clearTimeout, setImmediate, performance } = globalThis;

/** `setTimeout` counts in 32 bits; a longer wait is taken in several. */
const LONGEST_MS = 2_147_483_647;

/**
 * The real clock. Its one native timer is gone when no alarm is set, so it never keeps a process alive by itself.
 *
 * An alarm rings only after the event loop has read what had arrived when the alarm was due. Timers come before sockets in the loop: after
 * a handler that blocked it, or a process that was stopped, an alarm for a silent peer would else ring while the peer's answer waits in
 * the kernel.
 */
export function createClock(): Clock {
  let timer: NodeJS.Timeout | undefined;
  let isReading = false;
  let timerDue = Number.POSITIVE_INFINITY;
  const now = (): number => performance.timeOrigin + performance.now();
  const alarms = new Alarms(arm);

  function arm(): void {
    if (isReading) return;
    const due = alarms.nextDue;
    if (due === undefined) {
      clearTimeout(timer);
      timer = undefined;
      return;
    }
    // An earlier native timer only looks and is set anew: cheaper than replacing it each time an alarm is cancelled.
    if (timer !== undefined && timerDue <= due) return;
    clearTimeout(timer);
    timerDue = due;
    timer = setTimeout(read, Math.min(Math.max(Math.ceil(due - now()), 1), LONGEST_MS));
  }

  function read(): void {
    timer = undefined;
    isReading = true;
    // Immediates run when the sockets have been read, which is all that has arrived by now; what is due later waits for another reading.
    setImmediate(ring, now());
  }

  function ring(readAt: number): void {
    isReading = false;
    try {
      for (let next = alarms.take(readAt); next !== undefined; next = alarms.take(readAt)) next.ring();
    } finally {
      arm();
    }
  }

  return {
    now,
    after: (ms, ring) => alarms.set(now() + ms, ring),
    soon: (step) => {
      setImmediate(step);
    },
  };
}
