import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { ZipFile } from "yazl";
import { ZipProgress } from "./zip-progress.ts";

test("of what is written a zip keeps the names, and none of the memory they were made in", async () => {
  const zip = new ZipFile();
  const written = (zip.outputStream as Readable).toArray();
  const progress = new ZipProgress(zip);
  for (let n = 0; n < 200; n++) {
    progress.advance();
    const content = Readable.from([Buffer.from(`content ${n}`)]);
    zip.addReadStream(content, `directory/${n}`);
    await new Promise((resolve) => content.once("close", resolve));
    // as streams and compressors do: what follows is in another block
    Buffer.allocUnsafe(Buffer.poolSize / 2 - 1);
  }
  progress.advance();
  progress.restore();
  const { entries } = zip as unknown as { entries: { utf8FileName: Buffer }[] };
  expect(entries.map(({ utf8FileName }) => `${utf8FileName}`)).toEqual(
    Array.from({ length: 200 }, (_, n) => `directory/${n}`),
  );
  const blocks = new Set(entries.map(({ utf8FileName }) => utf8FileName.buffer));
  const held = [...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0);
  // the last ones may not be written yet
  expect(held).toBeLessThan(4 * Buffer.poolSize);
  zip.end();
  expect(Buffer.concat(await written).includes("directory/199")).toBe(true);
});
