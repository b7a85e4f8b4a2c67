import type { Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { Account } from "../auth/accounts.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Holding } from "./holding.ts";
import type { MountedDialect } from "./mounted-dialects.ts";

export type HoldingsParts = {
  mounted: readonly MountedDialect[];
  account(name: string): Promise<Account | undefined>;
  resolveEdge(user: string, header: string | undefined): Promise<string>;
};

/** Of one dialect; of more the newest are told. */
const MOST = 500;

/**
 * `GET /edge/holdings`: what the user has on an edge through the dialects that have more than commands, pods, images and
 * volumes of their own (`Dialect.holdings`), newest first. Works without contact.
 */
export function registerHoldings(
  app: Hono<GroundEnv>,
  { mounted, account, resolveEdge }: HoldingsParts,
): void {
  app.get("/edge/holdings", async (c) => {
    const user = c.get("user");
    const edge = await resolveEdge(user, c.req.header("perigee-edge"));
    const known = await account(user);
    if (!known) throw new PerigeeError("UNAUTHORIZED", "The token is of nobody who is known");
    const of = { user, uid: known.uid, createdAt: known.createdAt, edge };
    const lists = await Promise.all(
      mounted.map(async ({ dialect, core }) => {
        const { items = [], more = false } = (await dialect.holdings?.(core, of)) ?? {};
        const all = items.map((holding) => ({ dialect: dialect.name, ...holding })).sort(newestFirst);
        return { newest: all.slice(0, MOST), more: more || all.length > MOST };
      }),
    );
    const items = lists.flatMap(({ newest }) => newest).sort(newestFirst);
    return c.json({
      message: "Successfully fetched holdings",
      data: {
        items: items.map((one) => ({ ...one, created: new Date(one.created).toISOString() })),
        truncated: lists.some(({ more }) => more),
      },
    });
  });
}

const newestFirst = (one: Holding, other: Holding) => other.created - one.created;
