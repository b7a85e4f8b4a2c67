import { Hono } from "hono";
import { expect, test } from "vitest";
import type { GroundEnv } from "../http/env.ts";
import type { Holdings } from "./holding.ts";
import { registerHoldings } from "./holdings-route.ts";
import type { MountedDialect } from "./mounted-dialects.ts";

/** What the route answers where these are what the dialects tell; without any one tells nothing. */
async function answered(...told: (Holdings | undefined)[]) {
  const app = new Hono<GroundEnv>();
  registerHoldings(app, {
    mounted: told.map((one, n) => {
      const holdings = one && (async () => one);
      return { dialect: { name: `d${n}`, holdings } } as unknown as MountedDialect;
    }),
    account: async (name) => ({ name, uid: "u", createdAt: 0 }) as never,
    resolveEdge: async () => "em1",
  });
  const { data } = (await (await app.request("/edge/holdings")).json()) as {
    data: { items: { dialect: string; name: string }[]; truncated: boolean };
  };
  return { names: data.items.map(({ dialect, name }) => `${dialect} ${name}`), truncated: data.truncated };
}

const some = (first: number, count: number): Holdings["items"] =>
  Array.from({ length: count }, (_, n) => ({ kind: "job", name: String(first + n), created: first + n }));

test("what dialects tell comes together, the newest first, and says that there is more", async () => {
  expect(await answered(undefined, { items: some(1, 2) }, { items: some(2, 1) })).toEqual({
    names: ["d1 2", "d2 2", "d1 1"],
    truncated: false,
  });
  expect(await answered({ items: some(1, 1), more: true }, { items: [] })).toMatchObject({ truncated: true });
  const { names, truncated } = await answered({ items: some(1, 501) });
  expect([names.length, names.at(0), names.at(-1), truncated]).toEqual([500, "d0 501", "d0 2", true]);
  expect(await answered({ items: some(1, 500) })).toMatchObject({ truncated: false });
});
