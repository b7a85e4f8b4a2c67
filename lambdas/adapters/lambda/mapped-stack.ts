import { readFileSync } from "node:fs";
import type { SourceMap } from "node:module";
import { fileURLToPath } from "node:url";

/** The position of a frame, as V8 writes it: file URL, line, column. */
const PLACE = /(file:\/\/[^\s()]+):(\d+):(\d+)/g;

const maps = new Map<string, SourceMap | undefined>();

/**
 * A stack with its positions mapped to the sources, by the source maps beside the bundles. Node does the same with
 * --enable-source-maps, but reads all maps at the start, which takes longer than the rest of a Lambda's start. Here
 * they are read when the first error is logged.
 */
export function mappedStack(stack: string): string {
  return stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    const entry = mapOf(url)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (!entry || !("originalSource" in entry)) return place;
    const source = entry.originalSource.replace(/^(\.\.\/)+/, "");
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function mapOf(url: string): SourceMap | undefined {
  if (!maps.has(url)) maps.set(url, readMap(url));
  return maps.get(url);
}

function readMap(url: string): SourceMap | undefined {
  const { SourceMap } = process.getBuiltinModule("node:module");
  try {
    return new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, "utf8")));
  } catch {
    return undefined;
  }
}
