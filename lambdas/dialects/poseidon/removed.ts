import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { PoseidonTokens } from "./tokens.ts";

/** The tokens of a user, or those that name an edge which was revoked. The core ends the runners. */
export async function removed(core: DialectCore, { uid, edge }: Removal): Promise<void> {
  await new PoseidonTokens(core.records).removeOf({ uid, ...(edge !== undefined && { edge }) });
}
