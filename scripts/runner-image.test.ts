import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { afterAll, expect, test } from "vitest";
import { makeRunnerImage } from "./runner-image.ts";

const docker = new Docker();
const tag = `perigee-test/runner-${randomBytes(4).toString("hex")}:v1`;

afterAll(async () => {
  await docker
    .getImage(tag)
    .remove()
    .catch(() => {});
});

test("has what runners need: bash, find, tar, make, setpriv, the user and the workspace", async () => {
  const ids = await Promise.all([1, 2].map(() => makeRunnerImage(docker, tag)));
  expect(new Set(ids).size).toBe(1);
  const script =
    "setpriv --reuid=user --regid=user --clear-groups id -un; find /workspace -maxdepth 0 -printf '%p %u:%g\\n'; " +
    "printf 'all:\\n\\t@echo made\\n' > /tmp/Makefile; make -s -C /tmp; tar c -C /tmp Makefile | tar t; pwd";
  const container = await docker.createContainer({
    Image: tag,
    Cmd: ["/bin/bash", "-c", script],
    Tty: true,
    HostConfig: { NetworkMode: "none" },
  });
  try {
    await container.start();
    await container.wait();
    const log = await container.logs({ stdout: true, stderr: true });
    expect(log.toString().replaceAll("\r", "")).toBe("user\n/workspace user:user\nmade\nMakefile\n/\n");
  } finally {
    await container.remove({ force: true });
  }
});
