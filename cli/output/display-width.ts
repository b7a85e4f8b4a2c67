/** Characters two columns wide: East Asian wide and full-width ones, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
/** Characters without a width of their own: accents, joiners, selectors. */
const NOTHING = /^[\p{Mn}\p{Me}\p{Cf}]*$/u;
const ASCII = /^[\x20-\x7e]*$/;

const characters = new Intl.Segmenter("en", { granularity: "grapheme" });

/** About how many columns a text without control characters takes: terminals and fonts differ in details. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += widthOf(segment);
  return width;
}

/** `text` in at most `width` columns: a longer text is cut after a whole character and ends in `…`. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return "";
  let kept = "";
  let used = 1;
  for (const { segment } of characters.segment(text)) {
    used += widthOf(segment);
    if (used > width) break;
    kept += segment;
  }
  return `${kept}…`;
}

function widthOf(character: string): number {
  if (NOTHING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
