import { expect, it } from "vitest";
import { imageView } from "../image-view.ts";
import { readImageJson } from "./image-json.ts";

const CONTENT = {
  ...({ version: "v", ref: "r", provider: "docker", compiler: "docker-c-docker" } as const),
  ...{ createdAt: 0, bytes: 5, mountPoints: ["/data", "/etc/x"], ports: [80] },
};
const view = () => JSON.parse(JSON.stringify(imageView({ name: "app", content: CONTENT })));
const read = (value: unknown) => readImageJson(Buffer.from(JSON.stringify(value)));

it("reads what this API tells of an image", () => {
  const { provider, compiler, mountPoints } = CONTENT;
  expect(read(view())).toEqual({ provider, compiler, mountPoints });
});

it.each([
  ["null", null],
  ["a list", []],
  ["another provider", { ...view(), Infrastructure: "XEN" }],
  ["no provider", { ...view(), Infrastructure: "__PROTO__" }],
  ["another compiler", { ...view(), RunSpec: { ...view().RunSpec, Compiler: "rump-go-xen" } }],
  ["a compiler of another provider", { ...view(), Infrastructure: "QEMU" }],
  [
    "a mount point that is none",
    { ...view(), RunSpec: { ...view().RunSpec, DeviceMappings: [{ MountPoint: "x" }] } },
  ],
  [
    "a mount point that leads out",
    { ...view(), RunSpec: { ...view().RunSpec, DeviceMappings: [{ MountPoint: "/../x" }] } },
  ],
  ["devices that are none", { ...view(), RunSpec: { ...view().RunSpec, DeviceMappings: [7] } }],
])("%s is no image", (_, value) => expect(read(value)).toBeUndefined());

it("no JSON is no image", () => expect(readImageJson(Buffer.from("{"))).toBeUndefined());
