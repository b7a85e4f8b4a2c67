import type Docker from "dockerode";
import { isEngineError } from "../../engine/engine-call.ts";
import { hostUses } from "./host-uses.ts";

/** Networks of one name, which is not unique in the engine, and of subnets that are free. */
export type NamedNetwork = {
  name: string;
  /** labels that ours have, as `name=value` */
  labels: readonly string[];
};

/** The network's ID, if it is there. A double (the agent died in the middle) makes the name ambiguous: it goes. */
export async function onlyNetwork(docker: Docker, network: NamedNetwork): Promise<string | undefined> {
  const [keep, ...doubles] = await findNetworks(docker, network);
  for (const id of doubles) await removeNetwork(docker, id);
  return keep;
}

/** IDs, oldest first. */
export async function findNetworks(docker: Docker, { name, labels }: NamedNetwork): Promise<string[]> {
  const networks = await docker.listNetworks({ filters: { label: [...labels], name: [name] } });
  return networks
    .filter(({ Name }) => Name === name)
    .sort((a, b) => (a.Created ?? "").localeCompare(b.Created ?? ""))
    .map(({ Id }) => Id);
}

/** One that is not there is no error. */
export async function removeNetwork(docker: Docker, id: string): Promise<void> {
  try {
    await docker.getNetwork(id).remove();
  } catch (error) {
    if (!isEngineError(error, 404)) throw error;
  }
}

/**
 * Creates a network in the first subnet of a /16 that neither this machine nor the engine uses.
 * @param of `pool`: the first two numbers of the /16; `bits`: 16 to 24, of each subnet; `start`: where to begin, any number
 */
export async function inFreeSubnet<T>(
  { pool, bits, start }: { pool: string; bits: number; start: number },
  create: (subnet: string) => Promise<T>,
): Promise<T> {
  const slots = 2 ** (bits - 16);
  const step = 2 ** (24 - bits);
  for (let i = 0; i < slots; i++) {
    const address = `${pool}.${((start + i) % slots) * step}.0`;
    if (hostUses(address, bits)) continue;
    try {
      return await create(`${address}/${bits}`);
    } catch (error) {
      if (!/overlap/i.test(String(error))) throw error;
    }
  }
  throw new Error(`no subnet is free in ${pool}.0.0/16`);
}
