import type Docker from "dockerode";

type Create = Docker["createContainer"];

/** The same engine, where what makes containers goes through `create` first. */
export function engineWith(
  docker: Docker,
  create: (options: Docker.ContainerCreateOptions) => Docker.ContainerCreateOptions,
): Docker {
  const engine: Docker = Object.create(docker);
  engine.createContainer = (async (options: Docker.ContainerCreateOptions) =>
    docker.createContainer(create(options))) as Create;
  return engine;
}

/** Without the devices that this machine may not have. */
export function withoutDevices(options: Docker.ContainerCreateOptions): Docker.ContainerCreateOptions {
  return { ...options, HostConfig: { ...options.HostConfig, Devices: [] } };
}
