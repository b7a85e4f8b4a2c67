import type { EdgeOffer } from "#protocol/edge-offer.ts";
import type { MachinesRun } from "#protocol/machines.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import type { Compiler } from "./compiler.ts";
import type { ToolChecks } from "./tool-checks.ts";

export type OfferParts = {
  runtimes: readonly Pick<PodRuntime, "provider" | "missing" | "machines">[];
  compilers: readonly Compiler[];
  tools: Pick<ToolChecks, "missing">;
  /** bytes that one instance may have */
  instanceMemoryBytes: number;
};

/** Of what is missing, so many letters are told. */
const MISSING = 500;

/** For users: how the machines of a compiler run. */
const MACHINES_RUN: Record<MachinesRun, string> = {
  emulated: `
HOW ITS MACHINES RUN
They are emulated on this edge, and so slower than containers.
`,
  host: `
HOW ITS MACHINES RUN
On this edge the host's own virtualisation (KVM) runs them.
`,
};

/** What the edge can do now: asks each runtime, and has each compiler checked that it has one for. */
export async function edgeOffer(parts: OfferParts): Promise<EdgeOffer> {
  const { runtimes, compilers, tools, instanceMemoryBytes } = parts;
  const lacking = new Map(await Promise.all(runtimes.map(asked)));
  const missing = new Map<Compiler, string | undefined>();
  for (const one of compilers) missing.set(one, await whatIsMissing(tools, one));
  return {
    providers: runtimes
      .map(({ provider }) => provider)
      .filter((provider) => lacking.get(provider) === undefined),
    compilers: runtimes.flatMap((runtime) => {
      const { provider } = runtime;
      return compilers
        .filter(({ providers }) => providers.includes(provider))
        .map((one) => {
          const lacks = lacking.get(provider) ?? missing.get(one);
          const machines = one.machine && runtime.machines?.(one.machine);
          return {
            name: `${one.base}-${one.language}-${provider}`,
            description: one.description + (machines ? MACHINES_RUN[machines] : ""),
            ...(lacks !== undefined && { missing: lacks.slice(0, MISSING) }),
            ...(machines && { machines }),
          };
        });
    }),
    instanceMemoryBytes,
  };
}

async function asked(runtime: OfferParts["runtimes"][number]): Promise<[string, string | undefined]> {
  const { provider } = runtime;
  return [provider, await runtime.missing().catch(() => `${provider} does not answer`)];
}

async function whatIsMissing(tools: OfferParts["tools"], compiler: Compiler): Promise<string | undefined> {
  try {
    return await tools.missing(compiler);
  } catch (error) {
    return (error as Error).message;
  }
}
