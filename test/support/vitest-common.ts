import type { ViteUserConfig } from "vitest/config";
import { LongRunsLast } from "../contract/support/long-runs-last.ts";
import { CONTRACT_TAGS } from "../contract/support/tags.ts";

/** What all our runs of vitest have in common. */
export const COMMON = {
  // Deadlines, not expectations: a busy machine may be slow
  testTimeout: 120_000,
  hookTimeout: 180_000,
  expect: { poll: { timeout: 30_000 } },
  pool: "forks",
  // Tests start engines, servers and agents of their own: more at once only makes each slower
  maxWorkers: 2,
  execArgv: ["--disable-warning=ExperimentalWarning"],
  sequence: { sequencer: LongRunsLast },
  tags: CONTRACT_TAGS,
} satisfies ViteUserConfig["test"];
