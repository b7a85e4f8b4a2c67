import { clientFor } from "../../scripts/docker-engine.ts";
import { ensureBaseImage } from "../../scripts/ensure-base-image.ts";
import { ensureDocker } from "../../scripts/ensure-docker.ts";

/** Before any test and any other setup: an engine and the public base image. The workers inherit DOCKER_HOST. */
export default async function setup(): Promise<void> {
  const say = () => {};
  const engine = await ensureDocker({ say });
  process.env.DOCKER_HOST = engine.host;
  await ensureBaseImage(clientFor(engine.host), say);
}
