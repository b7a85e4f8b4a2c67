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
    "directory .perigee/ 755",
    "directory data/ 755",
    "directory dev/ 755",
    "directory etc/ 755",
    "directory proc/ 755",
    "directory sys/ 755",
    "file .perigee/message 644",
    "file etc/hostname 644",
    "file etc/hosts 644",
    "file etc/resolv.conf 644",
    "symlink .perigee/up 777",
  ]);
});

test("is what every image's digest rests on: another one pushes every image again", () => {
  expect(LAST_LAYER.digest).toMatchInlineSnapshot(
    `"sha256:ce7946fbf6c9c967d8035d7b8e543a85cb2a787d930132ab7a50016721f492a6"`,
  );
});
