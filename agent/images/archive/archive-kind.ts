import { type TarEntry, TarError } from "../../files/tar-parser.ts";

/** what a root file system has at its top; a few of them are enough */
const ROOT = ["bin", "dev", "etc", "home", "lib", "opt", "proc", "root", "sbin", "sys", "tmp", "usr", "var"];
const ENOUGH = 4;

const MAKE = "`docker save NAME > FILE` makes one that can be loaded";

/** What an archive without an image is, and what to do with it; undefined when it looks like nothing known. */
export function explainArchive(entries: ReadonlyMap<string, TarEntry>): TarError | undefined {
  const top = new Set([...entries.keys()].map((path) => path.split("/", 1)[0]!));
  const has = (path: string) => entries.has(path);
  if (has("manifest.json") || has("index.json")) return undefined;
  if (has(".dockerenv") || ROOT.filter((name) => top.has(name)).length >= ENOUGH) {
    return new TarError(
      `the archive holds a file system, as \`docker export\` writes one, and no manifest.json of an image: ${MAKE} (of a container: \`docker commit\` first, of a file system: \`docker import\`)`,
    );
  }
  if (has("repositories") || [...entries.keys()].some((path) => /^[0-9a-f]{64}\/layer\.tar$/.test(path))) {
    return new TarError(
      "the archive holds no manifest.json: it was saved by a Docker older than 1.10; load it into a newer one and save it there",
    );
  }
  const [only] = top;
  if (top.size === 1 && (has(`${only}/manifest.json`) || has(`${only}/index.json`))) {
    return new TarError(
      `the archive holds no manifest.json: the image lies in its directory ${shown(only)}; pack what is in that (tar -C ${shown(only)} -cf FILE .)`,
    );
  }
  if (entries.size === 1 && /\.(tar|tgz|tar\.gz|tar\.zst|tar\.xz)$/.test(only ?? "")) {
    return new TarError(
      `the archive holds no manifest.json, but another archive, ${shown(only)}: unpack it once and load that one`,
    );
  }
  if (has("Dockerfile") || has("Containerfile")) {
    return new TarError(
      "the archive holds no manifest.json, but what an image is built from: unpack it in the volume and build the image there",
    );
  }
  return undefined;
}

/** First bytes of what is sent in place of a tar, and what it is. */
const OTHERS: [start: string, kind: string][] = [
  ["BZh", "compressed with bzip2"],
  ["\xfd7zXZ\0", "compressed with xz"],
  ["\x28\xb5\x2f\xfd", "compressed with zstd"],
  ["LZIP", "compressed with lzip"],
  ["\x04\x22\x4d\x18", "compressed with lz4"],
  ["\x5d\0\0", "compressed with lzma"],
  ["PK\x03\x04", "a zip archive"],
  ["7z\xbc\xaf", "a 7z archive"],
  ["Rar!", "a rar archive"],
  ["hsqs", "a squashfs image"],
  ["\x7fELF", "a program"],
  ["version https://git-lfs", "a pointer of Git LFS and not the file itself"],
];

/** What the beginning of a file says that it is, when that is known and neither tar nor gzip. */
export function kindOf(start: Buffer): string | undefined {
  const text = start.toString("latin1");
  return OTHERS.find(([magic]) => text.startsWith(magic))?.[1];
}

function shown(name: string | undefined): string {
  return JSON.stringify((name ?? "").slice(0, 200));
}
