import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import type { RunSpec } from "#agent/pods/pod-runtime.ts";
import { mountOf, volumePathOf } from "#test/support/run-mounts.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";

let rig: KubernetesRig;
let runtime: KubernetesRuntime;
beforeAll(async () => {
  rig = await KubernetesRig.create();
  runtime = await rig.runtime({ commandOf: async () => ({ entrypoint: [], cmd: SHELL }) });
});
afterAll(() => rig?.cleanUp());

const PROGRAM = `trap 'echo asked; echo saved > /data/saved; exit 7' TERM; echo up; while :; do sleep 0.1; done\n`;

const SHELL = ["/bin/sh", "-c", "sh /data/program > /data/out"];

/** A run of a program that handles a stop, with its output in a file of the volume. */
async function start(pod: string, over: Partial<RunSpec> = {}): Promise<RunSpec> {
  const volumePath = rig.volume(`ada-${pod}`);
  writeFileSync(`${volumePath}/program`, PROGRAM);
  const run = rig.sh("", { command: SHELL, pod, mounts: [mountOf(volumePath, pod)], ...over });
  await runtime.start(run);
  await rig.until(async () => text(run, "out") === "up\n");
  return run;
}

function text(run: RunSpec, name: string): string | undefined {
  try {
    return readFileSync(`${volumePathOf(run)}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}

const ended = (run: string) =>
  rig.until(async () => {
    const state = await runtime.inspect(run);
    return state && "terminated" in state && state.terminated;
  });

describe("a program below a shell that redirects its output hears of its end", () => {
  test.each([
    ["the run's", SHELL],
    ["the image's", undefined],
  ])("by a stop, with its own exit code: %s shell", async (_, command) => {
    const run = await start(command ? "own" : "image", { command });
    await runtime.stop(run.run, 30_000);
    expect(await ended(run.run)).toMatchObject({ exitCode: 7, reason: "Error" });
    expect([text(run, "out"), text(run, "saved")]).toEqual(["up\nasked\n", "saved\n"]);
  });

  test("by the cluster's own deadline", async () => {
    const run = await start("late", { maxMs: 1_000 });
    expect(await ended(run.run)).toMatchObject({ exitCode: 7, reason: "DeadlineExceeded" });
    expect([text(run, "out"), text(run, "saved")]).toEqual(["up\nasked\n", "saved\n"]);
  });
});
