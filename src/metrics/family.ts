/**
 * Metric families: the numbers of one scrape, before somebody writes the numbers as text, sends the numbers from a worker to the primary
 * process, or hands the numbers to prom-client. A family is plain JSON, and lasts for one scrape.
 */

/** One number of a family. */
export interface Sample {
  /** Follows the name of the family: `"_bucket"`, `"_sum"` or `"_count"` of a histogram, else `""`. */
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The numbers of one name. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** How the numbers of several processes become one number. */
  readonly merge: "sum" | "min";
  readonly samples: readonly Sample[];
}

/** The families of several processes as those of one; families and samples keep the order in which each first comes. */
export function mergeFamilies(processes: readonly (readonly Family[])[]): Family[] {
  const merged = new Map<string, Family>();
  for (const family of processes.flat()) {
    const before = merged.get(family.name);
    merged.set(family.name, before === undefined ? family : { ...before, samples: mergeSamples(before, family) });
  }
  return [...merged.values()];
}

function mergeSamples({ merge, samples }: Family, other: Family): Sample[] {
  const merged = new Map<string, Sample>();
  for (const sample of [...samples, ...other.samples]) {
    const key = sample.suffix + JSON.stringify(sample.labels);
    const before = merged.get(key);
    const value = before === undefined ? sample.value : join(merge, before.value, sample.value);
    merged.set(key, { ...sample, value });
  }
  return [...merged.values()];
}

function join(merge: Family["merge"], a: number, b: number): number {
  return merge === "sum" ? a + b : Math.min(a, b);
}

/** The families that only grow: what a process that has died leaves behind. */
export function totalsOf(families: readonly Family[]): Family[] {
  return families.filter(({ type }) => type !== "gauge");
}
