import { expect, test } from "vitest";
import { removalsOf } from "./removals.ts";

const listed = (...paths: string[]) => removalsOf(paths).list.toString().split("\0").slice(0, -1);

test("literal after dots are folded; `./*` alone is a glob", () => {
  expect(listed("a/../b", "./c/", "/d//e", "../f", "*", "-r", "a*/./*")).toEqual([
    "b",
    "c",
    "/d/e",
    "../f",
    "*",
    "-r",
    "a*/*",
  ]);
  expect(removalsOf(["./*", "x"])).toMatchObject({ all: true });
  expect(removalsOf(["*"])).toMatchObject({ all: false });
});

test("what names no entry removes nothing", () => {
  expect(
    listed("", ".", "./", "..", "../", "../..", "/", "//", "/.", "/..", "a/..", "a/../..", "a\0b"),
  ).toEqual([]);
});
