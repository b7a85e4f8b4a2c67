import type { Runner } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import type { Caller } from "./caller.ts";
import type { PoseidonCore } from "./parts.ts";
import { gone } from "./refusals.ts";

/** Who asks, as `authenticate` found out. */
export function callerIn(c: DialectContext): Caller {
  return { user: c.get("user"), since: c.get("userSince"), edge: c.get("edge") };
}

/** The runner that a path names, handed out to who asks (and not to an earlier user of that name) and not gone. @throws 410 */
export async function runnerOf(core: PoseidonCore, caller: Caller, id: string): Promise<Runner> {
  const runner = await core.runners.used(caller.user, id);
  if (runner?.edge !== caller.edge || runner.since < caller.since) throw gone();
  return runner;
}
