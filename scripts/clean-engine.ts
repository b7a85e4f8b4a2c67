import { existsSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import { HELPER_LABEL } from "#agent/engine/helper-containers.ts";
import { IMAGE_LABEL } from "#agent/images/docker/image-store.ts";
import { isMarkOf } from "#agent/images/docker/own-names.ts";
import { engineTag } from "#agent/images/image-meanings.ts";
import { ImageRecord } from "#agent/images/image-record.ts";
import { instanceOf } from "#agent/instance.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { LABEL } from "#agent/pods/labels.ts";

/**
 * Removes from the engine what the agent with this data made there: containers, networks, images. The agent
 * must have stopped. Nothing without its label is touched. Returns how many things went.
 */
export async function cleanEngine(docker: Docker, agentData: string): Promise<number> {
  if (!existsSync(join(agentData, "agent.sqlite"))) return 0;
  const database = openStateDatabase(agentData);
  const instance = instanceOf(new Journal(database).id);
  // Loaded images keep their own config, so they carry no label of ours: the record knows them.
  const recorded = new ImageRecord(database).all();
  database.close();

  const made = { label: [`${LABEL.instance}=${instance}`] };
  const containers = await docker.listContainers({ all: true, filters: made });
  const helping = { label: [`${HELPER_LABEL}=${instance}`] };
  containers.push(...(await docker.listContainers({ all: true, filters: helping })));
  for (const { Id } of containers) await removeContainer(docker, Id);
  const networks = await docker.listNetworks({ filters: made });
  for (const { Id } of networks) await docker.getNetwork(Id).remove();
  const images = await docker.listImages({ all: true, filters: { label: [`${IMAGE_LABEL}=${instance}`] } });
  for (const { Id } of images) {
    // a parent goes with its last child
    await docker.getImage(Id).remove({ force: true }).catch(ignoreNotFound);
  }
  for (const row of recorded) {
    const name = engineTag(row.owner, row);
    const found = await docker.getImage(name).inspect().catch(ignoreNotFound);
    if (found?.Id !== row.id) continue;
    for (const tag of found.RepoTags) {
      if (tag === name || isMarkOf(name, tag)) await docker.getImage(tag).remove().catch(ignoreNotFound);
    }
  }
  return containers.length + networks.length + images.length + recorded.length;
}

/** The agent's own removal may still be under way in the engine: that one is waited for. */
async function removeContainer(docker: Docker, id: string): Promise<void> {
  const container = docker.getContainer(id);
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    ignoreNotFound(error as { statusCode?: number });
    await container.wait({ condition: "removed" }).catch(ignoreNotFound);
  }
}

function ignoreNotFound(error: { statusCode?: number }): undefined {
  if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}
