import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leftOut, slowest, sumUp } from "./ci-summary.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-summary-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const put = (name: string, content: unknown) =>
  writeFileSync(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));
const file = (status: string, tests: number) => ({ status, assertionResults: new Array(tests).fill({}) });

test("each exit code counts as one", () => {
  put("lint.exit", "0\n");
  put("typecheck.exit", "2\n");
  put("demo.exit", "0\n");
  expect(sumUp(directory)).toMatchObject({ passed: 2, failed: 1 });
});

test("a vitest report counts by its tests, beside the others", () => {
  put("lint.exit", "0\n");
  put("tests.exit", "1\n");
  put("tests.json", { numPassedTests: 40, numFailedTests: 2, testResults: [file("failed", 42)] });
  expect(sumUp(directory)).toMatchObject({ passed: 41, failed: 2 });
});

test("a test file that could not be loaded is a failure", () => {
  put("tests.exit", "1\n");
  put("tests.json", {
    numPassedTests: 3,
    numFailedTests: 0,
    testResults: [file("passed", 3), file("failed", 0)],
  });
  expect(sumUp(directory)).toMatchObject({ passed: 3, failed: 1 });
});

test("a run that failed beside its tests is a failure", () => {
  put("tests.exit", "1\n");
  put("tests.json", { numPassedTests: 3, numFailedTests: 0, testResults: [file("passed", 3)] });
  expect(sumUp(directory)).toMatchObject({ passed: 3, failed: 1 });
});

test("a report that was cut short is a failure", () => {
  put("tests.exit", "0\n");
  put("tests.json", '{"numPassedTests": 3');
  expect(sumUp(directory)).toMatchObject({ passed: 0, failed: 1 });
});

test("a test is left out when no run ran it", () => {
  const of = (...tests: [string, string][]) => ({
    numPassedTests: 1,
    numFailedTests: 0,
    testResults: [
      {
        name: "a.test.ts",
        status: "passed",
        assertionResults: tests.map(([fullName, status]) => ({ fullName, status })),
      },
    ],
  });
  put("one.json", of(["here", "passed"], ["there", "pending"], ["nowhere", "skipped"]));
  put("two.json", of(["here", "pending"], ["there", "failed"]));
  expect(leftOut(directory)).toBe(1);
});

test("what failed is told, and why", () => {
  put("demo.exit", "3\n");
  put("tests.exit", "1\n");
  put("tests.json", {
    numPassedTests: 1,
    numFailedTests: 1,
    testResults: [
      {
        name: "a.test.ts",
        status: "failed",
        assertionResults: [
          { status: "passed", fullName: "adds", failureMessages: [] },
          { status: "failed", fullName: "subtracts", failureMessages: ["expected 3 to be 4"] },
        ],
      },
      { name: "b.test.ts", status: "failed", message: "no such module", assertionResults: [] },
    ],
  });
  expect(sumUp(directory).failures).toEqual([
    "demo: exit code 3",
    "tests: a.test.ts > subtracts\nexpected 3 to be 4",
    "tests: b.test.ts\nno such module",
  ]);
});

test("files that took longest come first, over all reports that can be read", () => {
  const took = (name: string, ms: number) => ({
    ...file("passed", 1),
    name,
    startTime: 1000,
    endTime: 1000 + ms,
  });
  put("parts.json", { testResults: [took("a.test.ts", 2000), took("b.test.ts", 61_000)] });
  put("cloud.json", { testResults: [took("c.test.ts", 30_000)] });
  put("cut.json", '{"testResults": [');
  expect(slowest(directory, 2)).toEqual(["   61 s | parts: b.test.ts", "   30 s | cloud: c.test.ts"]);
});
