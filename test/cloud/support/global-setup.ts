import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startLocalStack } from "../../../scripts/localstack/start.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** address of the LocalStack of this run */
    awsEndpoint: string;
  }
}

/** One LocalStack for all tests of the run; each has tables, buckets and queues of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "perigee-cloud-"));
  const localStack = await startLocalStack({ dir, say: (line) => console.error(line) });
  project.provide("awsEndpoint", localStack.endpoint);
  return async () => {
    await localStack.stop();
    await rm(dir, { recursive: true, force: true });
  };
}
