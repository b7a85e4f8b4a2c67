import { join } from "node:path";
import { expect, test } from "vitest";
import { systemEnvironment } from "../../scripts/debian-packages.ts";
import { baseDirectory } from "./cluster/places.ts";
import { ensurePolicyTest } from "./cluster/programs.ts";
import { spawnToEnd } from "./cluster/spawn-to-end.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";

const BUILD_MS = 30 * 60_000;

// What enforces the policies of the throwaway cluster has tests of its own, in its own language
test.skipIf(!clusterUnderTest().own)(
  "the policy engine passes its tests",
  async () => {
    const program = await ensurePolicyTest(baseDirectory(), (line) => console.error(line));
    const cwd = join(import.meta.dirname, "cluster/go/policy");
    const options = { cwd, env: systemEnvironment(), timeoutMs: 300_000 };
    const said = await spawnToEnd(program, ["-test.v"], options);
    expect(said.match(/^--- PASS: /gm)?.length).toBeGreaterThanOrEqual(7);
  },
  BUILD_MS,
);
