import type { Logger } from "pino";
import type { Removals } from "../auth/removals.ts";
import type { MountedDialect } from "./mounted-dialects.ts";

export type JanitorRoundDeps = {
  janitor: { round(stagingMs?: number): Promise<void> };
  mounted: readonly MountedDialect[];
  removals: Removals;
  /** environments and runners go with their user, or with the grant of their edge */
  pools: { removed(user: string, edge?: string, before?: number): Promise<void> };
  /** and what is noted of live sessions with the user */
  notes: { forget(user: string, before?: number): Promise<void> };
  accounts: { getUser(name: string): Promise<{ uid: string; createdAt: number } | undefined> };
  log: Logger;
};

/**
 * The janitor's rounds with the dialects' parts in them: what goes with a removed user or grant, then what each
 * dialect cleans. What fails for one of them keeps nobody else from theirs.
 */
export function janitorRounds(deps: JanitorRoundDeps): { round(stagingMs?: number): Promise<void> } {
  const { janitor, mounted, removals, pools, notes, accounts, log } = deps;
  const succeeds = async (dialect: string, part: () => Promise<void> | undefined) => {
    try {
      await part();
      return true;
    } catch (error) {
      log.error({ err: error, dialect }, "a dialect's part of the janitor's round failed");
      return false;
    }
  };
  return {
    async round(stagingMs) {
      await janitor.round(stagingMs);
      await removals.each(async (removal) => {
        let all = await succeeds("runners", async () => {
          const { user, uid, edge } = removal;
          const present = await accounts.getUser(user);
          const another = present !== undefined && present.uid !== uid;
          const before = another ? present.createdAt : undefined;
          await pools.removed(user, edge, before);
          if (edge === undefined) await notes.forget(user, before);
        });
        for (const { dialect, core } of mounted) {
          all = (await succeeds(dialect.name, () => dialect.removed?.(core, removal))) && all;
        }
        return all;
      });
      for (const { dialect, core } of mounted) await succeeds(dialect.name, () => dialect.janitor?.(core));
    },
  };
}
