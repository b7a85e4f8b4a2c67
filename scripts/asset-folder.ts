import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Files of a page, by name. */
export type Assets = readonly (readonly [name: string, contents: Uint8Array])[];

/** The name of a file that changes with its content, so that browsers may keep it for ever: `name-1a2b3c4d.js`. */
export function hashedName(name: string, contents: Uint8Array): string {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 8);
  return name.replace(/\.\w+$/, (ending) => `-${hash}${ending}`);
}

/** Writes a page's files into `outdir` (emptied first), each also as gzip, which no request then has to wait for. */
export function writeAssets(outdir: string, files: Assets): void {
  // Whoever starts while another builds finds all of it, or what was there before
  const part = `${outdir}.${process.pid}.part`;
  mkdirSync(part, { recursive: true });
  for (const [name, contents] of files) {
    writeFileSync(join(part, name), contents);
    writeFileSync(join(part, `${name}.gz`), gzipSync(contents, { level: 9 }));
  }
  rmSync(outdir, { recursive: true, force: true });
  renameSync(part, outdir);
}
