import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { VERSION } from "#protocol/version.ts";

test("the version is the package's, and the changelog has an entry for it", () => {
  const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
  expect(JSON.parse(read("package.json")).version).toBe(VERSION);
  expect(JSON.parse(read("package-lock.json")).version).toBe(VERSION);
  expect(read("CHANGELOG.md")).toContain(`## [${VERSION}]`);
});
