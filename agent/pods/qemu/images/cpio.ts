/** A file (0o100000) or a directory (0o040000) by its mode. */
export type CpioEntry = { name: string; mode: number; content?: Buffer };

/** An archive in the format that Linux unpacks at its start ("newc"). Pure. */
export function cpioOf(entries: readonly CpioEntry[]): Buffer {
  const all = [...entries, { name: "TRAILER!!!", mode: 0 } satisfies CpioEntry];
  return Buffer.concat(all.flatMap((entry, at) => partsOf(entry, at + 1)));
}

function partsOf({ name, mode, content = Buffer.alloc(0) }: CpioEntry, inode: number): Buffer[] {
  const links = 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return [padded(Buffer.from(header, "latin1")), padded(content)];
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}
