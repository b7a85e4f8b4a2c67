import type Docker from "dockerode";

export type BaseCopy = {
  /** of the image that has triggers */
  id: string;
  labels: Record<string, string>;
  /** by which a container that stays behind is found */
  cgroupParent: string;
};

/**
 * Makes a copy of an image that has its config, without its ONBUILD triggers and with our labels, and gives
 * its ID. The engine runs triggers before any instruction: unread by us, and in containers and images without
 * a label of ours, which nobody would count or collect.
 */
export async function baseWithoutTriggers(docker: Docker, copy: BaseCopy): Promise<string> {
  const { Config } = await docker.getImage(copy.id).inspect();
  const container = await docker.createContainer({
    Image: copy.id,
    // never started; an image may have no command, and then a container must bring one
    Entrypoint: ["-"],
    Labels: copy.labels,
    HostConfig: { NetworkMode: "none", CgroupParent: copy.cgroupParent },
  });
  try {
    const config = {
      ...Config,
      OnBuild: null,
      Labels: { ...Config.Labels, ...copy.labels },
      // the container's own where there is none
      Entrypoint: Config.Entrypoint ?? [],
    };
    const answer = await container.commit({ _query: { container: container.id }, _body: config });
    return (answer as { Id: string }).Id;
  } finally {
    await container.remove({ force: true, v: true });
  }
}
