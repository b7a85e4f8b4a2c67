/** The items of a text that joins them by commas; blanks around them, and empty ones, do not count. */
export function commaList(text: string | undefined): string[] {
  return (text ?? "").split(",").flatMap((item) => item.trim() || []);
}
