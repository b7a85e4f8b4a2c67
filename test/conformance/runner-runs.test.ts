import { beforeAll } from "vitest";
import { openEngine } from "#agent/engine/open-engine.ts";
import { DockerRuntime } from "#agent/pods/docker/runtime.ts";
import { dockerSessions } from "#agent/sessions/docker/docker-sessions.ts";
import { BASE_IMAGE, ensureBaseImage } from "../../scripts/ensure-base-image.ts";
import { makeRunnerImage } from "../../scripts/runner-image.ts";
import { RUNNER_BOUNDS, runnerRunsConformance } from "./runner-runs.ts";

const docker = openEngine();
beforeAll(() => ensureBaseImage(docker, () => {}));

runnerRunsConformance("Docker", async () => {
  const instance = `test-${crypto.randomUUID()}`;
  const limits = { memory: RUNNER_BOUNDS.memoryBytes };
  const lives: DockerRuntime[] = [];
  const open = () => {
    const runtime = new DockerRuntime({ docker, instance, nodes: [], limits });
    lives.push(runtime);
    return runtime;
  };
  const runtime = open();
  const sessions = dockerSessions({ docker, instance });
  return {
    runtime,
    sessions,
    again: async () => open(),
    imageId: await makeRunnerImage(docker),
    withoutBash: (await docker.getImage(BASE_IMAGE).inspect()).Id,
    sizes: true,
    async cleanUp() {
      for (const { run } of await runtime.listRunners()) await runtime.remove(run);
      await sessions.close();
      for (const life of lives) await life.close();
    },
  };
});
