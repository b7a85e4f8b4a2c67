import { pino } from "pino";
import { expect, test } from "vitest";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Accounts } from "../auth/accounts.ts";
import { Removals } from "../auth/removals.ts";
import type { Dialect } from "./dialect.ts";
import { janitorRounds } from "./janitor-round.ts";
import type { MountedDialect } from "./mounted-dialects.ts";

test("what goes with a removed user comes again until every dialect has removed it", async () => {
  const { store } = await temporaryStore();
  const accounts = new Accounts(store, { passwordCost: QUICK_PASSWORDS });
  await accounts.addEdge("em1");
  await accounts.addUser("ada", "correct horse");
  const seen: string[] = [];
  let failing = true;
  const part = (name: string, removed: Dialect["removed"]) =>
    ({
      dialect: { name, ...(removed && { removed }), janitor: async () => void seen.push(`${name} cleans`) },
      core: {},
    }) as unknown as MountedDialect;
  const rounds = janitorRounds({
    janitor: { round: async () => void seen.push("janitor") },
    pools: { removed: async () => undefined },
    notes: { forget: async () => undefined },
    accounts,
    mounted: [
      part("one", async (_core, { user, edge }) => {
        seen.push(`one ${user} ${edge}`);
        if (failing) throw new Error("not now");
      }),
      part("two", async (_core, { user, edge }) => void seen.push(`two ${user} ${edge}`)),
      part("three", undefined),
    ],
    removals: new Removals(store),
    log: pino({ level: "silent" }),
  });
  await accounts.removeUser("ada");
  const round = async () => {
    seen.length = 0;
    await rounds.round();
    return [...seen];
  };
  const cleaned = ["one cleans", "two cleans", "three cleans"];
  expect(await round()).toEqual(["janitor", "one ada undefined", "two ada undefined", ...cleaned]);
  failing = false;
  expect(await round()).toEqual(["janitor", "one ada undefined", "two ada undefined", ...cleaned]);
  expect(await round()).toEqual(["janitor", ...cleaned]);
});

test("a grant that is given again keeps what was to go with it", async () => {
  const { store } = await temporaryStore();
  const accounts = new Accounts(store, { passwordCost: QUICK_PASSWORDS });
  const seen: unknown[] = [];
  await accounts.addEdge("em1");
  await accounts.addEdge("em2");
  const { uid } = await accounts.addUser("ada", "correct horse", { edges: ["em1", "em2"] });
  await accounts.revoke("em1", "ada");
  await accounts.revoke("em2", "ada");
  await accounts.grant("em1", "ada");
  await new Removals(store).each(async (removal) => seen.push(removal) > 0);
  expect(seen).toEqual([{ user: "ada", uid, edge: "em2" }]);
});
