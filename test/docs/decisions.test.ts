import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const DECISIONS = resolve(import.meta.dirname, "../../docs/decisions");
const index = readFileSync(join(DECISIONS, "README.md"), "utf8");

test("every decision is once in the index, by its number and title", () => {
  const pages = readdirSync(DECISIONS).filter((name) => /^\d{3}-/.test(name));
  const lines = pages.map((name) => {
    const title = readFileSync(join(DECISIONS, name), "utf8").match(/^# (\d{3}): (.+)$/m);
    expect(title?.[1], name).toBe(name.slice(0, 3));
    return `- [${title![1]}](${name}): ${title![2]}`;
  });
  expect(index.match(/^- .+$/gm)?.toSorted()).toEqual(lines.toSorted());
});

test("the sections of the index, and the decisions of each, are in the order of their numbers", () => {
  const sections = index.split(/^## /m).slice(1);
  const numbers = sections.map((section) =>
    [...section.matchAll(/^- \[(\d+)\]/gm)].map(([, n]) => Number(n)),
  );
  for (const list of [...numbers, numbers.map((section) => section[0]!)]) {
    expect(list).toEqual(list.toSorted((a, b) => a - b));
  }
});
