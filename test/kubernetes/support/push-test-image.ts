import { DatabaseSync } from "node:sqlite";
import type Docker from "dockerode";
import type { AgentConfig } from "#agent/config.ts";
import { openHandover } from "#agent/images/handover/open-handover.ts";

/** Hands the engine's image `name` over as the agent would: its ID, and what the nodes know it by. */
export async function pushTestImage(
  docker: Docker,
  config: NonNullable<AgentConfig["imageRegistry"]>,
  name: string,
): Promise<{ id: string; reference: string }> {
  const { Id: id } = await docker.getImage(name).inspect();
  const database = new DatabaseSync(":memory:");
  const handover = openHandover(config, {
    docker,
    database,
    instance: "test-image",
    freeFloorBytes: 0,
    repositoryOf: async () => "test-image",
    isInUse: () => true,
  });
  try {
    return { id, reference: await handover.reference({ user: "test", imageId: id }) };
  } finally {
    await handover.close();
    database.close();
  }
}
