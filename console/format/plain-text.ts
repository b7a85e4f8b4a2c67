/** Colours and moves of a terminal's cursor. */
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** A line of a log without what only a terminal understands; of what was written over itself, the last. */
export function plainText(line: string): string {
  const text = line.replace(ESCAPES, "").replace(/\r+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1);
}
