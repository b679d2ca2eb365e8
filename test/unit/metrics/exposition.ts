/** Reads the text format of Prometheus for tests, strictly: what does not read as the format's documentation says throws. */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex;
    const [, name = "", value = ""] = LABEL.exec(text) ?? [];
    if (name === "") throw new Error(`no label at ${at}: ${text}`);
    if (name in labels) throw new Error(`the label ${name} comes twice: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}

/** The families by name, in their order. */
export function readExposition(text: string): Map<string, ReadFamily> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, ReadFamily>();
  let current: ReadFamily | undefined;
  let help = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line);
    if (comment?.[1] === "HELP") help = comment[3] ?? "";
    else if (comment !== null) {
      const [, , name = "", type = ""] = comment;
      if (families.has(name)) throw new Error(`the family ${name} comes twice`);
      current = { name, type, help, samples: [] };
      families.set(name, current);
    } else {
      const [, name = "", labels = "", value = ""] = /^(\w+)(?:\{(.*)\})? (-?[\d.e+-]+)$/s.exec(line) ?? [];
      const isOf = current !== undefined && new RegExp(`^${current.name}(_bucket|_sum|_count)?$`).test(name);
      if (!isOf) throw new Error(`not a line of ${current?.name}: ${line}`);
      current?.samples.push({ name, labels: readLabels(labels), value: Number(value) });
    }
  }
  return families;
}

/** The number of a sample; `undefined` if there is no such sample. */
export function sampleOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const samples = [...readExposition(text).values()].flatMap((family) => family.samples);
  const isSame = (sample: ReadSample): boolean =>
    sample.name === name &&
    Object.keys({ ...sample.labels, ...labels }).every((label) => sample.labels[label] === labels[label]);
  return samples.find(isSame)?.value;
}

/** The sum over all samples of a family with these labels, whatever other labels they have. */
export function sumOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const samples = readExposition(text).get(name)?.samples ?? [];
  return samples
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
