import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export type Sum = { passed: number; failed: number; failures: string[] };

type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    name?: string;
    /** ms since 1970 */
    startTime?: number;
    endTime?: number;
    status: string;
    message?: string;
    assertionResults: { status?: string; fullName?: string; failureMessages?: string[] }[];
  }[];
};

/** Lines about the files that took longest */
const SLOWEST = 30;
/** Characters of one failure's message that are shown again: the whole stands further up. */
const MESSAGE = 1500;

/**
 * Sums what `.ci/run` left in `directory`: each `NAME.exit` (an exit code) counts as one, unless there is a
 * vitest report `NAME.json` beside it, which counts by its tests. A file of tests that could not even be
 * loaded is one failure, and so is a run that failed with no failed test in it. `failures` says what failed and why,
 * in short.
 */
export function sumUp(directory: string): Sum {
  const sum: Sum = { passed: 0, failed: 0, failures: [] };
  const files = readdirSync(directory);
  for (const file of files.filter((name) => name.endsWith(".exit"))) {
    const code = readFileSync(join(directory, file), "utf8").trim();
    const name = file.replace(/\.exit$/, "");
    const report = `${name}.json`;
    const one = files.includes(report)
      ? sumOf(name, readReport(join(directory, report)), code)
      : count(name, code);
    sum.passed += one.passed;
    sum.failed += one.failed;
    sum.failures.push(...one.failures);
  }
  return sum;
}

/** How many tests ran in none of the reports in `directory`: a run may leave out what another one runs. */
export function leftOut(directory: string): number {
  const ran = new Set<string>();
  const known = new Set<string>();
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".json"))) {
    for (const { name, assertionResults } of readReport(join(directory, file))?.testResults ?? []) {
      for (const { status = "", fullName } of assertionResults) {
        const test = `${name} > ${fullName}`;
        known.add(test);
        if (["passed", "failed"].includes(status)) ran.add(test);
      }
    }
  }
  return [...known].filter((test) => !ran.has(test)).length;
}

/** The files of tests that took longest over all reports in `directory`, a line each: seconds, run and file. */
export function slowest(directory: string, count: number): string[] {
  const reports = readdirSync(directory).filter((file) => file.endsWith(".json"));
  const files = reports.flatMap((file) =>
    (readReport(join(directory, file))?.testResults ?? []).map(({ name, startTime = 0, endTime = 0 }) => ({
      seconds: (endTime - startTime) / 1000,
      what: `${file.replace(/\.json$/, "")}: ${relative(process.cwd(), name ?? "")}`,
    })),
  );
  return files
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, count)
    .map(({ seconds, what }) => `${seconds.toFixed(0).padStart(5)} s | ${what}`);
}

function sumOf(name: string, report: VitestReport | undefined, code: string): Sum {
  if (!report) return { passed: 0, failed: 1, failures: [`${name}: its report was cut short`] };
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const { numPassedTests: passed } = report;
  const failed = report.numFailedTests + unloaded.length;
  const failures = [
    ...report.testResults.flatMap((file) =>
      file.assertionResults
        .filter(({ status }) => status === "failed")
        .map((test) => told(`${name}: ${file.name} > ${test.fullName}`, test.failureMessages?.join("\n"))),
    ),
    ...unloaded.map((file) => told(`${name}: ${file.name}`, file.message)),
  ];
  if (failed === 0 && code !== "0") {
    return { passed, failed: 1, failures: [`${name}: exit code ${code}`] };
  }
  return { passed, failed, failures };
}

function count(name: string, code: string): Sum {
  const ok = code === "0";
  return { passed: Number(ok), failed: Number(!ok), failures: ok ? [] : [`${name}: exit code ${code}`] };
}

function told(what: string, why = ""): string {
  return `${what}\n${why.slice(0, MESSAGE)}`.trimEnd();
}

function readReport(path: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const directory = process.argv[2] ?? ".";
  const { passed, failed, failures } = sumUp(directory);
  const out = leftOut(directory);
  for (const line of slowest(directory, SLOWEST)) console.log(line);
  // last, where they are found without a search
  for (const failure of failures) console.log(`FAILED ${failure}\n`);
  if (out > 0) console.log(`${out} tests were left out`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
