/**
 * The clock of a server: the time, alarms, and steps that run soon. Every other file takes a clock as a parameter; only this file and the
 * clock of the test runtime ask for the real time. Each server has a clock of its own, so that servers share nothing.
 */

/** An alarm that was set; ends when the alarm rings or is cancelled. */
export interface Timer {
  /** Keeps the alarm from ringing; does nothing after the alarm has rung. */
  cancel(): void;
}

/** The time of a server: real, or driven by a test. */
export interface Clock {
  /** Milliseconds since 1970, never going backwards. */
  now(): number;
  /** Rings once, `ms` from now. Alarms of equal time ring in the order of setting. */
  after(ms: number, ring: (() => void) | Alarm): Timer;
  /** Runs `step` once the event loop has read the data that has arrived by now. */
  soon(step: () => void): void;
}

/**
 * An alarm as the heap keeps it. An object that is woken again and again extends `Alarm` and sets itself anew, which saves two objects
 * per connection.
 */
export abstract class Alarm implements Timer {
  /** The time at which the alarm rings, and the rank among alarms of the same time. */
  due = 0;
  order = 0;
  /** The index in the heap; -1 while the alarm is not set. */
  index = -1;
  heap: AlarmHeap | undefined;

  /** Whether a process may end while the alarm is set: for what is worth doing only as long as something else goes on. */
  get isBackground(): boolean {
    return false;
  }

  /**
   * Whether ringing calls no code of the program and settles no promise, so that nothing follows but steps and further alarms: a clock that
   * is driven by hand may ring the next alarm at once if no step waits.
   */
  get isSelfContained(): boolean {
    return false;
  }

  abstract ring(): void;

  cancel(): void {
    this.heap?.remove(this);
  }
}

class CallbackAlarm extends Alarm {
  readonly ring: () => void;

  constructor(ring: () => void) {
    super();
    this.ring = ring;
  }
}

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/**
 * The alarms of a clock, in a binary heap: a single native timer serves any number of connections, and the virtual clock of the tests
 * keeps exactly the order of the real clock.
 */
export class AlarmHeap {
  readonly #heap: Alarm[] = [];
  readonly #onEarliestChanged: () => void;
  #order = 0;
  /** How many alarms are set for which a process stays alive. */
  #foreground = 0;

  /** @param onEarliestChanged called when another alarm may have become the earliest, or `hasForeground` has changed */
  constructor(onEarliestChanged: () => void = () => {}) {
    this.#onEarliestChanged = onEarliestChanged;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The alarm that rings next; `undefined` if no alarm is set. */
  get next(): Alarm | undefined {
    return this.#heap[0];
  }

  /** The time at which the next alarm rings; `undefined` if no alarm is set. */
  get nextDue(): number | undefined {
    return this.#heap[0]?.due;
  }

  /** Whether an alarm is set that keeps a process alive. */
  get hasForeground(): boolean {
    return this.#foreground > 0;
  }

  /** @param ring the callback, or an alarm; an alarm that is set already is set anew */
  set(due: number, ring: (() => void) | Alarm): Timer {
    const alarm = typeof ring === "function" ? new CallbackAlarm(ring) : ring;
    alarm.cancel();
    alarm.heap = this;
    alarm.due = due;
    alarm.order = this.#order++;
    alarm.index = this.#heap.length;
    this.#heap.push(alarm);
    this.#siftUp(alarm);
    const isFirst = !alarm.isBackground && this.#foreground++ === 0;
    if (alarm.index === 0 || isFirst) this.#onEarliestChanged();
    return alarm;
  }

  /** Removes and returns the first alarm that is due at `now`. */
  take(now: number): Alarm | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.due > now) return undefined;
    this.remove(first);
    return first;
  }

  /** Removes the alarm, if it is set. */
  remove(alarm: Alarm): void {
    const hole = alarm.index;
    if (hole < 0) return;
    alarm.index = -1;
    const last = this.#heap.pop();
    if (last !== undefined && last !== alarm) {
      this.#put(last, hole);
      this.#siftUp(last);
      this.#siftDown(last);
    }
    const isLast = !alarm.isBackground && --this.#foreground === 0;
    if (hole === 0 || isLast) this.#onEarliestChanged();
  }

  #put(alarm: Alarm, index: number): void {
    this.#heap[index] = alarm;
    alarm.index = index;
  }

  #siftUp(alarm: Alarm): void {
    while (alarm.index > 0) {
      const parent = this.#heap[(alarm.index - 1) >> 1];
      if (parent === undefined || !isBefore(alarm, parent)) return;
      const { index } = parent;
      this.#put(parent, alarm.index);
      this.#put(alarm, index);
    }
  }

  #siftDown(alarm: Alarm): void {
    for (;;) {
      const left = this.#heap[2 * alarm.index + 1];
      const right = this.#heap[2 * alarm.index + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, alarm)) return;
      const { index } = child;
      this.#put(child, alarm.index);
      this.#put(alarm, index);
    }
  }
}

// Captured when the file is loaded: a test runner that later replaces the globals must not stop a running server.
const { setTimeout, clearTimeout, setImmediate, performance } = globalThis;

/** `setTimeout` counts in 32 bits; a longer wait is split into several timers. */
const LONGEST_MS = 2_147_483_647;

/**
 * The real clock. The single native timer is cleared when no alarm is set, so the clock never keeps a process alive by itself.
 *
 * An alarm rings only after the event loop has read the data that had arrived when the alarm was due. Timers come before sockets in the
 * loop: if a handler has blocked the loop, or the process was stopped, an alarm for a silent peer would otherwise ring while the peer's
 * answer waits in the kernel.
 */
export function createClock(): Clock {
  let nativeTimer: NodeJS.Timeout | undefined;
  let isWaitingForReads = false;
  let nativeTimerDue = Number.POSITIVE_INFINITY;
  const now = (): number => performance.timeOrigin + performance.now();
  const alarms = new AlarmHeap(arm);

  function arm(): void {
    if (isWaitingForReads) return;
    const due = alarms.nextDue;
    if (due === undefined) {
      clearTimeout(nativeTimer);
      nativeTimer = undefined;
      return;
    }
    // An earlier native timer stays: firing once in vain and being set anew is cheaper than a new timer for each cancelled alarm.
    if (nativeTimer === undefined || nativeTimerDue > due) {
      clearTimeout(nativeTimer);
      nativeTimerDue = due;
      nativeTimer = setTimeout(waitForReads, Math.min(Math.max(Math.ceil(due - now()), 1), LONGEST_MS));
    }
    if (alarms.hasForeground !== nativeTimer.hasRef()) nativeTimer[alarms.hasForeground ? "ref" : "unref"]();
  }

  function waitForReads(): void {
    nativeTimer = undefined;
    isWaitingForReads = true;
    // Immediates run after the sockets have been read, with the data that has arrived by now. Alarms due later wait for the next read.
    setImmediate(ringDue, now());
  }

  function ringDue(readAt: number): void {
    isWaitingForReads = false;
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
