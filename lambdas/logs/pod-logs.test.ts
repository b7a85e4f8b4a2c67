import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DirectoryStaging } from "#lambdas/adapters/directory/staging.ts";
import { podLogsConformance } from "#test/conformance/pod-logs.ts";

podLogsConformance("a directory", async () => {
  const root = await mkdtemp(path.join(tmpdir(), "pod-logs-"));
  return {
    staging: await DirectoryStaging.open(root, { secret: randomBytes(32), freeFloorBytes: 0 }),
    close: () => rm(root, { recursive: true, force: true }),
  };
});
