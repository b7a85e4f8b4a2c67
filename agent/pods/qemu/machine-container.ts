import type Docker from "dockerode";
import { KVM, type KvmAccess } from "./kvm/kvm-access.ts";

/** Processes and threads of an emulator. */
export const PROCESSES = 64;
/** The unprivileged user `nobody`, who owns no file of the edge's. */
const USER = "65534:65534";

/**
 * The container that an emulator runs in: an unprivileged user without capabilities, nothing to write but a little
 * memory, no device but the host's virtualisation where it is asked for. Pure.
 * @param kvm what it takes to use that
 */
export function machineContainer(
  container: Docker.ContainerCreateOptions,
  kvm?: KvmAccess,
): Docker.ContainerCreateOptions {
  const Devices = (container.HostConfig?.Devices ?? []).filter(
    ({ PathOnHost }: Docker.DeviceMapping) => PathOnHost === KVM,
  );
  const given = Devices.length > 0 && kvm?.group !== undefined;
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
      Devices,
      ...(given && { GroupAdd: [String(kvm.group)] }),
    },
  };
}
