import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Sum = { passed: number; failed: number };

type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
};

/**
 * Sums what `.ci/run` left in `directory`: each `NAME.exit` (an exit code) counts as one, unless there is a
 * vitest report `NAME.json` beside it, which counts by its tests. A file of tests that could not even be
 * loaded is one failure, and so is a run that failed with no failed test in it.
 */
export function sumUp(directory: string): Sum {
  const sum: Sum = { passed: 0, failed: 0 };
  const files = readdirSync(directory);
  for (const file of files.filter((name) => name.endsWith(".exit"))) {
    const ok = readFileSync(join(directory, file), "utf8").trim() === "0";
    const report = file.replace(/\.exit$/, ".json");
    const one = files.includes(report) ? sumOf(readReport(join(directory, report)), ok) : count(ok);
    sum.passed += one.passed;
    sum.failed += one.failed;
  }
  return sum;
}

function sumOf(report: VitestReport | undefined, ok: boolean): Sum {
  if (!report) return { passed: 0, failed: 1 };
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const failed = report.numFailedTests + unloaded.length;
  return { passed: report.numPassedTests, failed: !ok && failed === 0 ? 1 : failed };
}

function count(ok: boolean): Sum {
  return { passed: Number(ok), failed: Number(!ok) };
}

function readReport(path: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const { passed, failed } = sumUp(process.argv[2] ?? ".");
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
