/** Relative targets of a document's links, `path#section` as they are written. (`/docs` is a route of a ground.) */
export function linksOf(markdown: string): string[] {
  const prose = withoutFences(markdown).replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^(?:[a-z]+:|\/)/.test(target));
}

/**
 * What a document names in backticks as a path of the repository: something beneath one of `folders`, or a source file
 * by its name alone. Patterns and examples (`*`, `{a,b}`, `<id>`) are none.
 */
export function pathsOf(markdown: string, folders: readonly string[]): string[] {
  return [...withoutFences(markdown).matchAll(/`([^`\n]+)`/g)]
    .map(([, code]) => code!.replace(/:\d+$/, "").replace(/\/$/, ""))
    .filter((code) => /^[\w./@-]+$/.test(code))
    .filter((code) => folders.includes(code.split("/")[0]!) || /^[\w.-]+\.(?:ts|mjs)$/.test(code))
    .filter((code) => code.includes("/") || code.includes("."));
}

/** Anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutFences(markdown).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) => {
    const anchor = anchorOf(heading!);
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

/** Documents that the comments of a source name, with the quoted section after them. */
export function referencesOf(source: string): { path: string; section?: string }[] {
  const comments = source.match(/^\s*(?:\/\/|\/?\*|#).*$|\/\*\*.*$/gm) ?? [];
  return [...comments.join("\n").matchAll(/\b(docs\/[\w/-]+\.md)(?:[#,] ?"([^"\n]+)")?/g)].map(
    ([, path, section]) => ({
      path: path!,
      ...(section !== undefined && { section: anchorOf(section) }),
    }),
  );
}

function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replace(/ /g, "-");
}

function withoutFences(markdown: string): string {
  return markdown.replace(/^( *)```[^\n]*\n[\s\S]*?^\1```[^\n]*$/gm, "");
}
