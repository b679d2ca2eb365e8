/** The text format of Prometheus, version 0.0.4, which every scraper reads. */
import type { Family, Sample } from "./family.js";

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Each family in lines of its own: HELP, TYPE, and a line for each number. */
export function writeText(families: readonly Family[]): string {
  return families.map(writeFamily).join("");
}

function writeFamily({ name, help, type, samples }: Family): string {
  const lines = samples.map((sample) => `${name}${sample.suffix}${writeLabels(sample)} ${sample.value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function writeLabels({ labels }: Sample): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const ESCAPED: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => ESCAPED[character] ?? character);
}
