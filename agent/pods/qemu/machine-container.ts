import type Docker from "dockerode";

/** The unprivileged user `nobody`, who owns no file of the edge's. */
const USER = "65534:65534";

/**
 * The container that an emulator runs in: an unprivileged user without capabilities, nothing to write but a little
 * memory, no device but perhaps the host's virtualisation. Pure.
 * @param kvm the group that its device file belongs to; undefined: not used
 */
export function machineContainer(
  container: Docker.ContainerCreateOptions,
  kvm?: { group: number },
): Docker.ContainerCreateOptions {
  return {
    ...container,
    User: USER,
    Env: [],
    WorkingDir: "/",
    HostConfig: {
      ...container.HostConfig,
      CapDrop: ["ALL"],
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777" },
      Devices: kvm ? [{ PathOnHost: "/dev/kvm", PathInContainer: "/dev/kvm", CgroupPermissions: "rw" }] : [],
      ...(kvm && { GroupAdd: [String(kvm.group)] }),
    },
  };
}
