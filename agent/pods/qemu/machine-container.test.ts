import { expect, test } from "vitest";
import { machineContainer } from "./machine-container.ts";

const device = (path: string) => ({ PathOnHost: path, PathInContainer: path, CgroupPermissions: "rw" });
const hostConfig = (paths: string[], kvm?: { group?: number }) =>
  machineContainer({ HostConfig: { Devices: paths.map(device) } }, kvm).HostConfig;

test("a container gets no device but the one for virtualisation, and its group with it alone", () => {
  const kvm = device("/dev/kvm");
  expect(hostConfig(["/dev/fuse", "/dev/kvm"], { group: 104 })).toMatchObject({
    ...{ Devices: [kvm], GroupAdd: ["104"], CapDrop: ["ALL"], ReadonlyRootfs: true },
  });
  const everybodys = hostConfig(["/dev/kvm"], {});
  expect(everybodys).toMatchObject({ Devices: [kvm] });
  expect(everybodys).not.toHaveProperty("GroupAdd");
  const without = hostConfig([], { group: 104 });
  expect(without).toMatchObject({ Devices: [] });
  expect(without).not.toHaveProperty("GroupAdd");
});
