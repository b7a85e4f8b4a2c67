/** What the log of a command says, in a row without a time, in place of the rows that it has no room for. */
export function leftOutRow(bytes: number): string {
  return `… ${bytes} bytes of the log were left out`;
}

/** What the log of a command says, in a row without a time, where a command that was cut off is done again. */
export const BEGUN_AGAIN_ROW = "… the agent started anew, and the work begins again";

/** Does a row say that what follows is done again? */
export function isBegunAgain({ text, time }: { text: string; time?: string }): boolean {
  return time === undefined && text === BEGUN_AGAIN_ROW;
}

/** Bytes that a row says were left out; undefined: it says nothing of that kind. */
export function leftOutOf({ text, time }: { text: string; time?: string }): number | undefined {
  if (time !== undefined) return undefined;
  const [, bytes] = /^… (\d{1,15}) bytes of the log were left out$/.exec(text) ?? [];
  return bytes === undefined ? undefined : Number(bytes);
}
