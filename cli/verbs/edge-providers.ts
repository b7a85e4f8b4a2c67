import type { Command } from "commander";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import type { MachinesRun } from "#protocol/machines.ts";
import { CliFailure } from "../failure.ts";
import { type GroundOptions, withLedger } from "../operator-data.ts";
import { action, type Session } from "../session.ts";

/** `machines`: how they run, where it makes some; `missing`: what keeps it from working, absent when it works. */
type Told = { edge: string; provider: string; offered: boolean; compiler: string | null } & Pick<
  EdgeOffer["compilers"][number],
  "machines" | "missing"
>;

/** As the table says it. */
const RUN: Record<MachinesRun, string> = { emulated: "emulated", host: "KVM" };

/** `perigee edge providers`: the operator's verb that tells what edges offer, and why they do not offer the rest. */
export function registerEdgeProviders(edge: Command): void {
  edge
    .command("providers")
    .description(
      "operator: what edges run instances with and compile, as their agents last told it, and what the rest lacks",
    )
    .argument("[edge]", "one edge only")
    .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
    .option("--table <name>", "the ground's table in AWS (default: PERIGEE_TABLE)")
    .action(action<[string | undefined], GroundOptions>(providers));
}

async function providers(
  { output }: Session,
  [id]: [string | undefined],
  ground: GroundOptions,
): Promise<undefined> {
  const told = await withLedger(ground, false, async ({ accounts, offer }) => {
    const edges = (await accounts.listEdges()).map((edge) => edge.id);
    if (id !== undefined && !edges.includes(id)) {
      throw new CliFailure("EDGE_NOT_FOUND", `There is no edge ${id}`);
    }
    const asked = id === undefined ? edges : [id];
    return (await Promise.all(asked.map(async (edge) => rowsOf(edge, await offer(edge))))).flat();
  });
  output.result({ message: "Providers", data: told }, () =>
    output.table(
      ["EDGE", "PROVIDER", "OFFERED", "COMPILER", "MACHINES", "LACKS"],
      told.map(({ edge, provider, offered, compiler, machines, missing }) => [
        edge,
        provider,
        offered ? "yes" : "no",
        compiler ?? "none",
        machines ? RUN[machines] : provider === "qemu" ? "not known" : "none",
        missing ?? "nothing",
      ]),
    ),
  );
}

/** One for each compiler, and one for a provider without any. Pure. */
export function rowsOf(edge: string, offer: EdgeOffer | undefined): Told[] {
  if (!offer) return [];
  const { providers, compilers } = offer;
  const rows = compilers.map(({ name, machines, missing }): Told => {
    const provider = name.slice(name.lastIndexOf("-") + 1);
    const offered = providers.includes(provider);
    return {
      ...{ edge, provider, offered, compiler: name },
      ...(machines && { machines }),
      ...(missing !== undefined && { missing }),
    };
  });
  const alone = providers.filter((one) => rows.every(({ provider }) => provider !== one));
  return [...rows, ...alone.map((provider) => ({ edge, provider, offered: true, compiler: null }))].sort(
    (a, b) => a.provider.localeCompare(b.provider) || (a.compiler ?? "").localeCompare(b.compiler ?? ""),
  );
}
