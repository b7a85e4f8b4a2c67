import { join } from "node:path";
import type { ViteUserConfig } from "vitest/config";
import { cacheFolder } from "../../scripts/cache-folder.ts";
import { CONTRACT_TAGS } from "../contract/support/tags.ts";
import { useCompileCache } from "./compile-cache.ts";
import { FileOrder } from "./file-order.ts";

useCompileCache();

/** How long each file took: longest first is the best order. */
export const CACHE = join(cacheFolder(), "tests/vite");

/** What all our runs of vitest have in common. */
export const COMMON = {
  // Deadlines, not expectations: three times what a busy machine has needed
  testTimeout: 360_000,
  hookTimeout: 540_000,
  expect: { poll: { timeout: 90_000 } },
  setupFiles: [join(import.meta.dirname, "fixed-seed.ts")],
  pool: "forks",
  // Node loads the files as it loads the programs, types stripped: no transform and no call to the main process for each.
  // What only a transform gives, mocks of modules, has no place here
  experimental: { viteModuleRunner: false, nodeLoader: false },
  // Tests start engines, servers and agents of their own: more at once only makes each slower
  maxWorkers: 2,
  // and more at once of one file: what waits for an engine leaves the time to two others
  maxConcurrency: 3,
  execArgv: ["--disable-warning=ExperimentalWarning"],
  sequence: { sequencer: FileOrder },
  tags: CONTRACT_TAGS,
} satisfies ViteUserConfig["test"];
