import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { type Header, pack } from "tar-stream";

export type Entry = Partial<Header> & { name: string; content?: string };

/** An uncompressed tar with these entries. */
export async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of entries) tar.entry({ mode: 0o644, ...header }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const filesOf = (files: Record<string, string>) =>
  tarOf(Object.entries(files).map(([name, content]) => ({ name, content })));

/** What is in a directory, each name with `./` before it. */
export function tarOfDirectory(directory: string): Promise<Buffer> {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).isFile());
  return tarOf(
    files.map((file) => ({
      name: `./${relative(directory, file)}`,
      mode: statSync(file).mode & 0o777,
      content: readFileSync(file, "utf8"),
    })),
  );
}
