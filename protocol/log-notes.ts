/** What the log of a command says, in a row without a time, in place of the rows that it has no room for. */
export function leftOutRow(bytes: number): string {
  return `… ${bytes} bytes of the log were left out`;
}

/** Bytes that a row says were left out; undefined: it says nothing of that kind. */
export function leftOutOf({ text, time }: { text: string; time?: string }): number | undefined {
  if (time !== undefined) return undefined;
  const [, bytes] = /^… (\d{1,15}) bytes of the log were left out$/.exec(text) ?? [];
  return bytes === undefined ? undefined : Number(bytes);
}
