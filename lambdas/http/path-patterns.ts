/** Does `path` lie at `pattern`: exact, with `:name` for any one part, or ending in `/*` for all at and beneath it? */
export function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const beneath = wanted.at(-1) === "*";
  if (beneath) wanted.pop();
  const parts = path.split("/");
  if (beneath ? parts.length < wanted.length : parts.length !== wanted.length) return false;
  return wanted.every((part, i) => (part.startsWith(":") ? parts[i] !== "" : part === parts[i]));
}
