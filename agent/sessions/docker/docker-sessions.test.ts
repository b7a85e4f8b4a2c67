import { MiB } from "#protocol/limits.ts";
import { podSessionsConformance } from "#test/conformance/pod-sessions.ts";
import { makeRunnerImage } from "#test/support/base-image.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { dockerSessions } from "./docker-sessions.ts";

podSessionsConformance("Docker", async () => {
  const rig = await PodRig.create();
  const imageId = await makeRunnerImage(rig.docker);
  const runtime = rig.runtime({ limits: { memory: 256 * MiB } });
  const sessions = dockerSessions({ docker: rig.docker, instance: rig.instance, prefix: rig.instance });
  return {
    sessions,
    async start() {
      const spec = rig.spec(["/bin/bash", "-c", "while :; do sleep 1000 & wait; done"], {
        imageId,
        network: "none",
      });
      await runtime.start(spec);
      return spec.run;
    },
    kill: (run) => runtime.stop(run, 0),
    async cleanUp() {
      await sessions.close();
      await rig.cleanUp();
    },
  };
});
