/** `both`: whichever stream a line was written to. */
export type LogFilter = { text: string; stream: "both" | "stdout" | "stderr" };
type Line = { text: string; stream?: "stderr" };

/** The lines that a filter leaves. What nobody marked as standard error counts as standard output. Pure. */
export function filterLog<T extends Line>(lines: readonly T[], { text, stream }: LogFilter): readonly T[] {
  const words = text.toLowerCase();
  if (words === "" && stream === "both") return lines;
  return lines.filter(
    (line) =>
      (stream === "both" || (line.stream ?? "stdout") === stream) &&
      (words === "" || line.text.toLowerCase().includes(words)),
  );
}
