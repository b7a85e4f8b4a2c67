import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import * as z from "zod";
import { type FpgaDeviceConfig, fpgaDevice } from "../device-config.ts";
import { type AdapterName, makeProgrammer } from "../loads/make-programmer.ts";
import { type FpgaProgrammer, LoadError, type LoadFile } from "../programmer/fpga-programmer.ts";
import { LOADER_ADAPTERS, type LoaderAnswer, type LoaderTask } from "./loader-task.ts";

/** Where a loader finds what it needs. */
export type LoaderPlaces = {
  /** name of its node */
  node: string;
  /** the agent's configuration: the operator's word on each node's device */
  config: string;
  /** replaces `/` for the kernel's paths */
  root: string;
  /** directory of the files for FPGAs */
  store: string;
};

/** Of the agent's configuration what a loader reads. */
const ofAgent = z.object({ fpga: z.array(fpgaDevice).default([]) });

/** Does what a loader was told, on the device of its node. @throws LoadError */
export async function doTask(task: LoaderTask, places: LoaderPlaces): Promise<LoaderAnswer> {
  const device = deviceOf(places);
  if (task.do === "probe") return { probe: await probed(device) };
  const programmer = made(task.adapter, device);
  if (task.do === "current") return { state: await programmer.current() };
  const { user, sha256, payloadAt, payloadBytes, partial } = task;
  const file = { path: path.join(places.store, user, sha256), sha256, payloadAt, payloadBytes };
  await assertWhole(file);
  const { signal } = new AbortController();
  return { state: await programmer.load(file, { partial, signal }) };
}

function deviceOf({ node, config, root }: LoaderPlaces): FpgaDeviceConfig {
  const { fpga } = ofAgent.parse(JSON.parse(readFileSync(config, "utf8")));
  return { ...(fpga.find((one) => one.node === node) ?? fpgaDevice.parse({ node })), root };
}

async function probed(device: FpgaDeviceConfig) {
  for (const adapter of LOADER_ADAPTERS) {
    if (adapter !== (device.adapter ?? adapter)) continue;
    const probe = await makeProgrammer(adapter, device)?.probe();
    if (probe) return probe;
  }
  return null;
}

function made(adapter: AdapterName, device: FpgaDeviceConfig): FpgaProgrammer {
  const programmer = makeProgrammer(adapter, device);
  if (!programmer) throw new LoadError("NO_DEVICE", `the configuration lacks what ${adapter} needs`);
  return programmer;
}

/** The node may have the files from elsewhere than the agent. @throws LoadError NOT_STORED */
async function assertWhole({ path, sha256 }: LoadFile): Promise<void> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch (cause) {
    throw new LoadError("NOT_STORED", "the node does not have the file", { cause });
  }
  if (hash.digest("hex") !== sha256)
    throw new LoadError("NOT_STORED", "the node has another file than the one that was stored");
}
