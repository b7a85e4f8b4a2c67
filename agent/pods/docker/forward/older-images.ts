import type Docker from "dockerode";
import { IMAGE_LABEL } from "../../../images/image-labels.ts";

/**
 * Takes the names from images that earlier versions made under `repository`, and with the last name goes the image. One
 * that a container uses stays, as does what has no label of ours; what a user has named besides stays under that name.
 * @param repository whose images are meant
 * @param tag of the present one
 */
export async function removeOlder(docker: Docker, repository: string, tag: string): Promise<void> {
  const filters = { reference: [repository], label: [`${IMAGE_LABEL}=forward`] };
  for (const { RepoTags } of await docker.listImages({ filters })) {
    const names = (RepoTags ?? []).filter((name) => name.startsWith(`${repository}:`));
    // another name of the present one is not older
    if (names.includes(`${repository}:${tag}`)) continue;
    for (const name of names) {
      // a container uses it, or another agent was faster
      await docker
        .getImage(name)
        .remove()
        .catch(() => undefined);
    }
  }
}
