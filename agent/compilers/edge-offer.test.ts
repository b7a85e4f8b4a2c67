import { afterAll, beforeAll, expect, test } from "vitest";
import { edgeOffer as shape } from "#protocol/edge-offer.ts";
import type { MachineKind, MachinesRun } from "#protocol/machines.ts";
import { ImageWorld } from "#test/support/image-world.ts";
import { makeNodeImage } from "#test/support/node-image.ts";
import { COMPILERS } from "./compilers.ts";
import { edgeOffer, type OfferParts } from "./edge-offer.ts";
import { ToolChecks } from "./tool-checks.ts";

const world = new ImageWorld();
const idOf = async (name: string) => (await world.docker.getImage(name).inspect()).Id;
let nodejs: string;
beforeAll(async () => {
  await world.setUp();
  nodejs = await idOf(await makeNodeImage(world.docker));
});
afterAll(() => world.tearDown());

const inContainers = COMPILERS.filter(({ providers }) => providers.includes("docker"));
const answering = { provider: "docker", missing: async () => undefined };
const away = { provider: "kubernetes", missing: async () => Promise.reject(new Error("ECONNREFUSED")) };
const lacking = { provider: "qemu", missing: async () => "the images for virtual machines are not there" };

async function offer(
  toolchains: Record<string, string>,
  runtimes: OfferParts["runtimes"] = [answering, away, lacking],
) {
  const tools = new ToolChecks(world.store, toolchains);
  const told = await edgeOffer({ runtimes, compilers: COMPILERS, tools, instanceMemoryBytes: 2 ** 30 });
  return { ...told, missing: new Map(told.compilers.map(({ name, missing }) => [name, missing])) };
}

test("offers what was tried and worked, and says of the rest what is missing", async () => {
  const gone = `sha256:${"0".repeat(64)}`;
  const { missing, ...told } = await offer({ nodejs, python: await idOf(world.busybox), go: gone });
  expect(shape.parse(told)).toMatchObject({ providers: ["docker"], instanceMemoryBytes: 2 ** 30 });
  expect(missing.size).toBe(COMPILERS.length + inContainers.length);
  expect(missing.get("docker-native-docker")).toBeUndefined();
  expect(missing.get("docker-nodejs-docker")).toBeUndefined();
  expect(missing.get("docker-python-docker")).toMatch(/^the tools for python do not work: .*python3/);
  expect(missing.get("docker-go-docker")).toBe("the image with the tools for go is not there");
  expect(missing.get("docker-c-docker")).toBe("no image with the tools for c is configured");
  expect(missing.get("docker-nodejs-kubernetes")).toBe("kubernetes does not answer");
  expect(missing.get("linux-native-qemu")).toBe("the images for virtual machines are not there");
});

test("says of each compiler with machines how they run, as far as that is known", async () => {
  const runs = { linux: undefined, baremetal: "emulated" } as Record<MachineKind, MachinesRun | undefined>;
  const qemu = { ...lacking, machines: (kind: MachineKind) => runs[kind] };
  const told = async () => {
    const { compilers } = await offer({}, [answering, qemu]);
    return (name: string) => {
      const one = compilers.find((compiler) => compiler.name === name);
      return [one?.machines, /\nHOW ITS MACHINES RUN\n(.+)\n$/.exec(one?.description ?? "")?.[1]];
    };
  };
  const emulated = ["emulated", "They are emulated on this edge, and so slower than containers."];
  const byKvm = ["host", "On this edge the host's own virtualisation (KVM) runs them."];
  const first = await told();
  expect(first("docker-native-docker")).toEqual([undefined, undefined]);
  expect(first("linux-native-qemu")).toEqual([undefined, undefined]);
  expect(first("baremetal-c-qemu")).toEqual(emulated);
  runs.linux = "host";
  expect((await told())("linux-go-qemu")).toEqual(byKvm);
  runs.linux = "emulated";
  expect((await told())("linux-go-qemu")).toEqual(emulated);
});

test("a check that worked is not run again while its image is there, and one that failed after a while", async () => {
  let now = 0;
  const tried: string[] = [];
  const images = {
    inspect: async () => ({}) as never,
    async tryOut(id: string) {
      tried.push(id);
      return id === "bad" ? "no" : undefined;
    },
  };
  const checks = new ToolChecks(images, { nodejs: "good", python: "bad" }, () => now);
  const look = () => Promise.all(inContainers.map((one) => checks.missing(one)));
  await look();
  await look();
  expect(tried.sort()).toEqual(["bad", "good"]);
  now += 300_000;
  await look();
  expect(tried.sort()).toEqual(["bad", "bad", "good"]);
});
