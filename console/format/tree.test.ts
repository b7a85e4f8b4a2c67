import { expect, test } from "vitest";
import type { Entry } from "../api/types.ts";
import { directoryPaths, filePaths, treeRows } from "./tree.ts";

const file = (name: string): Entry => ({ type: "file", name, size: "1", time: "now" });
const directory = (name: string, contents: Entry[]): Entry => ({
  ...file(name),
  type: "directory",
  contents,
});
const entries = [file("b"), directory("z", [file("deep"), directory("in", [file("x")])]), file("a")];

test("directories come first, and only what is unfolded shows what is in it", () => {
  expect(treeRows(entries, new Set()).map(({ path }) => path)).toEqual(["z", "a", "b"]);
  const open = treeRows(entries, new Set(["z", "z/in", "a"]));
  expect(open.map(({ path, depth }) => `${depth} ${path}`)).toEqual([
    "0 z",
    "1 z/in",
    "2 z/in/x",
    "1 z/deep",
    "0 a",
    "0 b",
  ]);
  expect(open.map((row) => row.open)).toEqual([true, true, false, false, false, false]);
});

test("files and directories are named by their paths", () => {
  expect(filePaths(entries)).toEqual(["b", "z/deep", "z/in/x", "a"]);
  expect(directoryPaths(entries)).toEqual(["z", "z/in"]);
});
