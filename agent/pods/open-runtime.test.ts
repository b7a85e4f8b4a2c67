import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agentConfig } from "../config.ts";
import { openEngine } from "../engine/open-engine.ts";
import { openRuntimes } from "./open-runtime.ts";
import { KnownVmImages } from "./qemu/images/known-vm-images.ts";
import { Kvm } from "./qemu/kvm/kvm.ts";

let directory: string;
let kubeconfig: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-runtimes-"));
  kubeconfig = join(directory, "kubeconfig");
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "u", user: { token: "token" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const cluster = () => ({ kubernetes: { kubeconfig } });
const nodes = [{ name: "mpu1", kind: "MPU" }];

test.for([
  ["pods in the engine", () => ({}), ["docker", "qemu"]],
  ["pods on a cluster alone", cluster, ["kubernetes"]],
  ["pods on a cluster and in the engine", () => ({ ...cluster(), nodes }), ["kubernetes", "docker", "qemu"]],
] as const)("machines are where containers of the engine are: %s", async ([, config, providers]) => {
  const docker = openEngine();
  const runtimes = await openRuntimes(agentConfig.parse(config()), {
    ...{ docker, instance: "test", secret: "secret", volumes: directory },
    images: {} as never,
    forward: "/nowhere",
    machines: { images: new KnownVmImages(docker), directory, kvm: new Kvm({ docker, instance: "test" }) },
  });
  expect(runtimes.all().map(({ provider }) => provider)).toEqual(providers);
  await runtimes.close();
});
