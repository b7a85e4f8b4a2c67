/** Quotes a word so that a POSIX shell, or a parser that works like one, reads exactly this word. */
export function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
