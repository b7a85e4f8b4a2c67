/**
 * What the engine said when it could not start a payload, without its own story around it and without paths of
 * the host: a path survives only when the run itself named it (`known`).
 */
export function cleanStartError(message: string, known: readonly string[]): string {
  const told = message
    .replace(/^.*(?:unable to start container process|starting container process caused): /s, "")
    .replace(/: unknown$/, "")
    .replace(/^\(HTTP code \d+\)[^-]*- /, "")
    .trim();
  const kept = told.replace(
    /(^|[^\w./-])(\/[\w.@+~-]+(?:\/[\w.@+~:-]*)*)/g,
    (all, before: string, path: string) => {
      const bare = path.replace(/[:.,]+$/, "");
      const named = known.some((text) => text === bare || text.includes(bare));
      return named ? all : `${before}…`;
    },
  );
  return kept.slice(0, 500);
}
