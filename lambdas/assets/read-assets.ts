import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

/** A file as it is sent; `gzip` where that is shorter. */
export type Asset = { type: string; body: Uint8Array<ArrayBuffer>; gzip?: Uint8Array<ArrayBuffer> };

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** The files of a folder by name, as `scripts/asset-folder.ts` wrote them. Nothing else of the disk can be named. */
export function readAssets(folder: string): ReadonlyMap<string, Asset> {
  const names = readdirSync(folder);
  const files = names.flatMap((name): [string, Asset][] => {
    const type = TYPES[extname(name)];
    if (!type) return [];
    const packed = names.includes(`${name}.gz`) && { gzip: read(folder, `${name}.gz`) };
    return [[name, { type, body: read(folder, name), ...packed }]];
  });
  return new Map(files);
}

function read(folder: string, name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(folder, name)));
}
