import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

test("nobody else words what a quota refuses", () => {
  const sources = globSync("{agent,cli,lambdas,protocol}/**/*.ts", { cwd: ROOT }).filter(
    (path) => !path.endsWith(".test.ts") && path !== "protocol/quota-exceeded.ts",
  );
  expect(sources.length).toBeGreaterThan(200);
  const own = sources.filter((path) =>
    /new PerigeeError\(\s*"QUOTA_EXCEEDED"/.test(readFileSync(join(ROOT, path), "utf8")),
  );
  expect(own).toEqual([]);
});
