import { expect, test } from "vitest";
import { Listing } from "./listing.ts";

const entries = (recursive: boolean, lines: string[]) => {
  const listing = new Listing(recursive);
  return lines.flatMap((line) => listing.entryOf(line) ?? []);
};

test("names below the directory that they are in, its slash not doubled", () => {
  const line = '-rw-r--r-- 1 user user 5 1234567890 "x"';
  expect(
    entries(true, ['"/tmp/":', "total 4", line, "", '"/tmp/a b":', line]).map(({ name }) => name),
  ).toEqual(["/tmp/x", "/tmp/a b/x"]);
  expect(entries(false, ["total 4", line])).toMatchObject([{ name: "x" }]);
});

test("access lists, labels, devices, times before 1970, blanks in a name, a link's target", () => {
  const [acl, label, device, old, link] = entries(false, [
    '-rwsr-x--T+ 1 root root 5 1 "acl"',
    '-rw-r--r--. 1 root root 5 1 "label"',
    'crw-rw-rw-  1 root root 1, 3 1 "null"',
    'drwxr-xr-x 2 domain users 1000 4096 -5 "old"',
    'lrwxrwxrwx 1 0 0 4 1 "l -> x" -> "a\\" -> b"',
  ]);
  expect(acl).toMatchObject({ permissions: "rwsr-x--T+" });
  expect(label).toMatchObject({ permissions: "rw-r--r--" });
  expect(device).toMatchObject({ entryType: "c", size: 0 });
  expect(old).toMatchObject({ modificationTime: -5, size: 4096, owner: "domain" });
  expect(link).toMatchObject({ name: "l -> x", linkTarget: 'a" -> b', owner: "0" });
});

test("the largest of files is listed", () => {
  const sizes = ["999999999999999", "1000000000000000", "9223372036854775807"];
  const lines = sizes.map((size) => `-rw-r--r-- 1 root root ${size} 1 "big"`);
  expect(entries(false, lines).map(({ size }) => size)).toEqual(sizes.map(Number));
});

test("what nobody may look at is left out", () => {
  expect(entries(false, ['?????????? ? ? ? ? ? "x"', "total 0", "", "ls: no"])).toEqual([]);
});

test("lines that a program in place of ls may print are read at once", () => {
  const blanks = " ".repeat(33_000);
  const digits = "1".repeat(8_000);
  for (const line of [
    `-rwxrwxrwx 1 ${blanks}`,
    `-rwxrwxrwx 1 ${blanks}"x`,
    `-rwxrwxrwx 1 ${" ".repeat(8_000)}${digits}${" ".repeat(8_000)}${digits}`,
    `-rwxrwxrwx 1 ${"1, ".repeat(10_000)}"x" -> `,
    `-rwxrwxrwx 1 a b 1 1 "${"\\".repeat(33_000)}`,
  ]) {
    expect(
      entries(
        false,
        Array.from({ length: 200 }, () => line),
      ),
    ).toEqual([]);
  }
});
