import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { LAST_LAYER } from "./last-layer.ts";

test("has each mounted place as what it must be, its parents first", async () => {
  const entries: string[] = [];
  const unpack = extract();
  unpack.end(LAST_LAYER.data);
  for await (const entry of unpack) {
    entries.push(`${entry.header.type} ${entry.header.name} ${entry.header.mode?.toString(8)}`);
    entry.resume();
  }
  expect(entries).toEqual([
    "directory data/ 755",
    "directory dev/ 755",
    "directory etc/ 755",
    "directory proc/ 755",
    "directory sys/ 755",
    "file etc/hostname 644",
    "file etc/hosts 644",
    "file etc/resolv.conf 644",
  ]);
});

test("is what every image's digest rests on: another one pushes every image again", () => {
  expect(LAST_LAYER.digest).toMatchInlineSnapshot(
    `"sha256:2a7fa8b00b5444d5fdc3ad711e0b9c4a47ecbf17bb7daaa8f48ea5d47da49443"`,
  );
});
