import { clientFor } from "../../scripts/docker-engine.ts";
import { ensureBaseImage } from "../../scripts/ensure-base-image.ts";
import { ensureDocker } from "../../scripts/ensure-docker.ts";
import { makePrograms } from "./programs.ts";

/**
 * Before any test and any other setup: an engine, the public base image, and the programs that tests start. The workers
 * inherit what it sets in the environment.
 */
export default async function setup(): Promise<void> {
  const say = () => {};
  const [engine] = await Promise.all([ensureDocker({ say }), makePrograms()]);
  process.env.DOCKER_HOST = engine.host;
  await ensureBaseImage(clientFor(engine.host), say);
}
