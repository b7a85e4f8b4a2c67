import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the ground on one machine starts without the SDK of AWS, also where UniK's API is on", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import("./lambdas/embedded.ts");
    await import("./lambdas/dialects/unik/dialect.ts");
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: join(import.meta.dirname, ".."),
  });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded).toContainEqual(expect.stringContaining("/unik/hub/foreign-url.ts"));
  expect(loaded.filter((url) => /@aws-sdk|@smithy|adapters\/s3\/foreign/.test(url))).toEqual([]);
});
