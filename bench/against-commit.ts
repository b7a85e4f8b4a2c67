import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchStack, startBenchStack } from "./bench-stack.ts";
import { BLOCKS, PER_BLOCK, time, WARM_UP } from "./round-trip.ts";
import { fillSmallVolume, listSmallVolume } from "./small-volume.ts";
import { percentile, type Row } from "./table.ts";

/** The last commit at which an edge carried one command after the other. */
const ONE_AT_A_TIME = "76c85e3acee58bea4ed0136d0141fccd83e1e49e";
/**
 * Round trip of `GET /em/files/list` against an earlier commit, BENCH_BASE (the last one without lanes), whose ground and
 * agent run beside ours, in turns. Needs the repository's history and npm's registry.
 */
export async function measureAgainstCommit(bench: BenchStack): Promise<Row[]> {
  const commit = process.env.BENCH_BASE || ONE_AT_A_TIME;
  const tree = mkdtempSync(join(tmpdir(), "perigee-bench-base-"));
  let base: BenchStack | undefined;
  try {
    git("worktree", "add", "--quiet", "--detach", "--force", tree, commit);
    execFileSync("npm", ["ci", "--no-audit", "--no-fund"], {
      cwd: tree,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const theirs = (await import(join(tree, "bench/bench-stack.ts"))) as {
      startBenchStack: typeof startBenchStack;
    };
    base = await theirs.startBenchStack();
    const stacks = { ours: bench, base };
    for (const stack of [bench, base]) await fillSmallVolume(stack);
    const times: Record<keyof typeof stacks, number[]> = { ours: [], base: [] };
    for (let i = 0; i < WARM_UP; i++) await Promise.all([listSmallVolume(bench), listSmallVolume(base)]);
    for (let block = 0; block < BLOCKS; block++) {
      for (const name of ["ours", "base"] as const) {
        for (let i = 0; i < PER_BLOCK; i++) times[name].push(await time(() => listSmallVolume(stacks[name])));
      }
    }
    const [ours, before] = [percentile(times.ours, 0.5), percentile(times.base, 0.5)];
    return [
      {
        what: "files/list, small volume, p50",
        ours: `${ours.toFixed(2)} ms`,
        peer: `commit ${commit.slice(0, 8)}: ${before.toFixed(2)} ms`,
        ratio: ours / before,
        goal: { atMost: 1 },
      },
    ];
  } finally {
    await base?.stop();
    rmSync(tree, { recursive: true, force: true });
    git("worktree", "prune");
  }
}

function git(...args: string[]): void {
  execFileSync("git", args, { stdio: ["ignore", "ignore", "inherit"] });
}
