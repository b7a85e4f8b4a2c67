import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { serve } from "@hono/node-server";
import { DirectoryStaging } from "#lambdas/adapters/directory/staging.ts";
import { stagingRoutes } from "#lambdas/adapters/directory/staging-routes.ts";
import type { StagingUnderTest } from "#test/conformance/staging.ts";

/** A directory staging of its own whose signed URLs are served, for the suites of the port. */
export async function servedDirectoryStaging(): Promise<StagingUnderTest & { staging: DirectoryStaging }> {
  const root = await mkdtemp(path.join(tmpdir(), "staging-"));
  const staging = await DirectoryStaging.open(root, { secret: randomBytes(32), freeFloorBytes: 0 });
  const server = serve({ fetch: stagingRoutes(staging).fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    staging,
    fetchSigned: (url, init) => fetch(new URL(url, `http://127.0.0.1:${port}`), init),
    close: async () => {
      await new Promise((closed) => server.close(closed));
      await rm(root, { recursive: true });
    },
  };
}
