const MAGICS: readonly (readonly [name: string, at: number, bytes: readonly number[]])[] = [
  ["an ELF program", 0, [0x7f, 0x45, 0x4c, 0x46]],
  ["gzip", 0, [0x1f, 0x8b, 0x08]],
  ["a zip archive", 0, [0x50, 0x4b, 0x03, 0x04]],
  ["a zip archive", 0, [0x50, 0x4b, 0x05, 0x06]],
  ["a zip archive", 0, [0x50, 0x4b, 0x07, 0x08]],
  ["a tar archive", 257, [0x75, 0x73, 0x74, 0x61, 0x72]],
  ["a device tree blob", 0, [0xd0, 0x0d, 0xfe, 0xed]],
  ["a PNG picture", 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["a PDF document", 0, [0x25, 0x50, 0x44, 0x46, 0x2d]],
];

const TEXTS: readonly (readonly [name: string, begins: RegExp])[] = [
  ["a git-lfs pointer", /^version https:\/\/git-lfs\./],
  ["XML or HTML", /^<[!?/a-z]/i],
  ["JSON", /^[[{]\s*(?:["{}[\]\-0-9]|true|false|null)/],
];

/** as much of the beginning as tells text from a stream that happens to begin with such a character */
const TEXT_BYTES = 512;

/** What a file is that no FPGA is configured with, by its first bytes; undefined when it is nothing that is known. */
export function foreignFormat(head: Buffer): string | undefined {
  const magic = MAGICS.find(([, at, bytes]) => bytes.every((byte, n) => head[at + n] === byte));
  if (magic) return magic[0];
  const begin = head.subarray(0, TEXT_BYTES);
  const text = begin.toString("utf8").replace(/^\uFEFF?\s*/, "");
  return isText(begin) ? TEXTS.find(([, begins]) => begins.test(text))?.[0] : undefined;
}

function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
