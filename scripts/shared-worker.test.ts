import { describe, expect, test } from "vitest";
import { SHARED_WORKER_FILES, sharesWorker } from "./shared-worker.ts";

const importing = (...names: string[]) => names.map((name) => `import { x } from "${name}";\n`).join("");

describe("a worker is shared", () => {
  test("by unit tests of pure parts, and there are many", () => {
    expect(SHARED_WORKER_FILES).toContain("protocol/byte-range.test.ts");
    expect(SHARED_WORKER_FILES.length).toBeGreaterThan(100);
  });

  test("with directories and stores of the test's own", () => {
    const names = ["vitest", "node:fs/promises", "#protocol/limits.ts", "#test/support/temporary-store.ts"];
    expect(sharesWorker(importing(...names, "./part.ts", "../other.ts"))).toBe(true);
  });

  test.each([
    "node:child_process",
    "node:process",
    "node:async_hooks",
    "dockerode",
    "#test/support/world.ts",
    "#test/faults/support/deployment.ts",
    "./support/rig.ts",
    "../testing/cli-process.ts",
  ])("not with %s", (name) => {
    expect(sharesWorker(importing("vitest", "./part.ts", name))).toBe(false);
    expect(sharesWorker(`const { x } = await import("${name}");`)).toBe(false);
    expect(sharesWorker(`import "${name}";`)).toBe(false);
  });

  test.each([
    "vi.useFakeTimers();",
    "process.env.A = '1';",
    "globalThis.fetch = x;",
    "Array.prototype.at = x;",
    "expect.extend({});",
    "fc.configureGlobal({});",
    "fs.renameSync = x;",
    "Date.now = () => 0;",
  ])("not with %s", (line) => {
    expect(sharesWorker(`${importing("vitest")}${line}\n`)).toBe(false);
  });
});
