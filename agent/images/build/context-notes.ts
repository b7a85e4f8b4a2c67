import { LIMITS } from "#protocol/limits.ts";

/** What a build's log says of its context: for each reason the first paths, and how many more there are. */
export class ContextNotes {
  readonly #byReason = new Map<string, { paths: string[]; count: number }>();

  add(reason: string, path: string): void {
    const noted = this.#byReason.get(reason) ?? { paths: [], count: 0 };
    this.#byReason.set(reason, noted);
    if (++noted.count <= LIMITS.contextNotes) noted.paths.push(path);
  }

  /** One line a reason. */
  lines(): string[] {
    return [...this.#byReason].map(([reason, { paths, count }]) => {
      const named = paths.map((path) => JSON.stringify(path.slice(-120))).join(", ");
      return `${reason}: ${named}${count > paths.length ? ` and ${count - paths.length} more` : ""}`;
    });
  }
}
