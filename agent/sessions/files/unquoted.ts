const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/** What stands in C's quotes, as `ls` writes it where no character but ASCII is known. Not UTF-8: U+FFFD. Pure. */
export function unquoted(text: string): string {
  const inner = text.slice(1, -1);
  if (!inner.includes("\\")) return inner;
  const bytes: number[] = [];
  for (let at = 0; at < inner.length; at++) {
    const character = inner[at]!;
    if (character !== "\\") {
      bytes.push(character.charCodeAt(0));
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(inner.slice(at + 1, at + 4))?.[0];
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 255);
    else bytes.push(ESCAPES[inner[at + 1] ?? ""] ?? inner.charCodeAt(at + 1));
    at += octal?.length ?? 1;
  }
  return Buffer.from(bytes).toString();
}
