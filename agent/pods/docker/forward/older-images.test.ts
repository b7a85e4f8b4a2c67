import { randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import { IMAGE_LABEL } from "../../../images/image-labels.ts";
import { removeOlder } from "./older-images.ts";

// other tests use the true one
const REPOSITORY = `perigee/forward-${randomBytes(4).toString("hex")}`;
const OTHER = `${REPOSITORY}-of-a-user`;
let rig: PodRig;
let docker: Docker;
beforeAll(async () => {
  rig = await PodRig.create();
  docker = rig.docker;
});
afterAll(async () => {
  for (const name of await names()) await docker.getImage(name).remove({ force: true });
  await rig?.cleanUp();
});

async function names(): Promise<string[]> {
  const all = await docker.listImages({ filters: { reference: [REPOSITORY, OTHER] } });
  return all.flatMap(({ RepoTags }) => RepoTags ?? []).sort();
}

async function make(tag: string, changes = [`LABEL ${IMAGE_LABEL}=forward`]): Promise<void> {
  const tar = pack();
  tar.entry({ name: tag }, tag);
  tar.finalize();
  const options = { repo: REPOSITORY, tag, changes };
  const answer = await docker.importImage(tar as unknown as NodeJS.ReadableStream, options);
  for await (const _ of answer as AsyncIterable<Buffer>);
}

test("older images go that nobody uses, and none that a user made or named", async () => {
  for (const tag of ["present", "old", "older", "used", "named"]) await make(tag);
  await make("without-label", []);
  await docker.getImage(`${REPOSITORY}:named`).tag({ repo: OTHER, tag: "mine" });
  const container = await docker.createContainer({ Image: `${REPOSITORY}:used`, Cmd: ["/x"] });
  await removeOlder(docker, REPOSITORY, "present");
  const kept = ["present", "used", "without-label"].map((tag) => `${REPOSITORY}:${tag}`);
  expect(await names()).toEqual([`${OTHER}:mine`, ...kept].sort());
  await container.remove();
  await removeOlder(docker, REPOSITORY, "present");
  expect(await names()).not.toContain(`${REPOSITORY}:used`);
});
