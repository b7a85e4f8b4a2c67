import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { afterAll, expect, test } from "vitest";
import { makeBusyboxImage } from "./base-image.ts";

const docker = new Docker();
const tag = `perigee-test/base-${randomBytes(4).toString("hex")}:v1`;

afterAll(async () => {
  await docker
    .getImage(tag)
    .remove()
    .catch(() => {});
});

test("is made once, however many ask at the same time", async () => {
  const ids = await Promise.all([1, 2, 3, 4].map(() => makeBusyboxImage(docker, tag)));
  expect(new Set(ids).size).toBe(1);
  expect(await makeBusyboxImage(docker, tag)).toBe(ids[0]);
  const { RepoTags, Config } = await docker.getImage(tag).inspect();
  expect(RepoTags).toContain(tag);
  expect(Config.Labels ?? {}).toEqual({});
});

test("has a shell, its applets, a world-writable /tmp and the user nobody", async () => {
  await makeBusyboxImage(docker, tag);
  const container = await docker.createContainer({
    Image: tag,
    Cmd: ["sh", "-c", "touch /tmp/x && id -un && ls -l /tmp/x | wc -l"],
    User: "nobody",
    HostConfig: { NetworkMode: "none" },
  });
  try {
    await container.start();
    await container.wait();
    const log = await container.logs({ stdout: true, stderr: true });
    expect(log.toString()).toMatch(/nobody[\s\S]*1/);
  } finally {
    await container.remove({ force: true });
  }
});
