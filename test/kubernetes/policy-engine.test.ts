import { join } from "node:path";
import { expect, test } from "vitest";
import { systemEnvironment } from "../../scripts/debian-packages.ts";
import { spawnToEnd } from "./cluster/spawn-to-end.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";

// What enforces the policies of the throwaway cluster has tests of its own, in its own language
test.skipIf(!clusterUnderTest().own)(
  "the policy engine passes its tests",
  async () => {
    const cwd = join(import.meta.dirname, "cluster/go/policy");
    const env = {
      ...systemEnvironment(),
      CGO_ENABLED: "0",
      GOFLAGS: "-mod=readonly -trimpath -buildvcs=false",
    };
    const said = await spawnToEnd("go", ["test", "-v", "./..."], { cwd, env, timeoutMs: 300_000 });
    expect(said.match(/^--- PASS: /gm)?.length).toBeGreaterThanOrEqual(7);
  },
  320_000,
);
