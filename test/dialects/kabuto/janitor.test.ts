import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cleanUp } from "#lambdas/dialects/kabuto/janitor.ts";
import {
  type CursorRecord,
  keys,
  type PipelineRecord,
  type RegistrationRecord,
} from "#lambdas/dialects/kabuto/records.ts";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";

let ground: KabutoGround;
beforeAll(async () => {
  ground = await startKabutoGround();
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;

test("a round that an account takes all the time of is followed by one that starts behind it", async () => {
  const uids: string[] = [];
  for (const name of ["user1", "user2"]) {
    const me = await ground.user();
    for (let i = 0; i < 2; i++) await me.post("/pipeline", { name: "p" });
    uids.push((await ground.ground.accounts.getUser(name))!.uid);
  }
  const { records, now } = core();
  const pipeline = async (user: number, id: number) =>
    (await records.get<PipelineRecord>(keys.object(uids[user]!, "pipeline", id)))!;
  const interrupt = async () => {
    for (const user of [0, 1]) {
      for (const id of [1, 2]) {
        const { pk, sk, rev, data } = await pipeline(user, id);
        const pending = { id: "01K00000000000000000000000", at: now(), runs: [{ job: 1, run: 1 }] };
        await records.transact([{ put: { pk, sk, data: { ...data, pending } }, if: rev }]);
      }
    }
  };
  const pending = async () => {
    const all = await Promise.all([0, 1].flatMap((user) => [1, 2].map((id) => pipeline(user, id))));
    return all.map(({ data }) => data.pending !== undefined);
  };
  const cursor = async () => (await records.get<CursorRecord>(keys.cursor("users")))?.data;

  // killed in the middle of the first one: it never goes on
  await interrupt();
  const begun = Promise.withResolvers<void>();
  void cleanUp({
    ...core(),
    resolveEdge() {
      begun.resolve();
      return new Promise<never>(() => undefined);
    },
  });
  await begun.promise;
  expect(await cursor()).toEqual({ after: "user1" });
  await cleanUp(core());
  expect(await pending()).toEqual([true, true, false, false]);
  expect(await cursor()).toEqual({});

  // late after the first one's first pipeline
  await interrupt();
  let looks = 0;
  await cleanUp({ ...core(), timeLeftMs: () => (++looks > 2 ? 0 : 60_000) });
  expect(await pending()).toEqual([false, true, true, true]);
  expect(await cursor()).toEqual({ after: "user1" });
});

test("where time is short each part of a round comes first in its turn, and goes on where it ended", async () => {
  const { staging } = ground.ground;
  const left = async () => (await staging.list("kept/")).map(({ key }) => key.split("/")[1]);
  for (const name of ["a", "b", "c", "d"])
    await staging.put(`kept/${name}/kabuto/gone/inbox/t/1`, Buffer.from("x"), { maxBytes: 1 });
  const { records } = core();
  const uid = "00000000-0000-4000-8000-000000000000";
  const removed = { put: { ...keys.removed(uid, 1), data: { user: "gone", uid, at: 1 } } };
  const turn = { put: { ...keys.cursor("part"), data: { after: "kept" } } };
  await records.transact([removed, { put: { pk: uid, sk: "submitted", data: {} } }, turn]);
  const removalsLeft = async () => (await records.query({ pk: "removed", limit: 10 })).length;
  /** A round that has time for as many looks at the clock. */
  const round = (most: number) => {
    let looks = 0;
    return cleanUp({ ...core(), timeLeftMs: () => (++looks > most ? 0 : 60_000) });
  };
  // the accounts are first, and take all of it
  await round(0);
  expect([await left(), await removalsLeft()]).toEqual([["a", "b", "c", "d"], 1]);
  await round(1);
  expect([await left(), await removalsLeft()]).toEqual([["a", "b", "c", "d"], 0]);
  await round(2);
  expect(await left()).toEqual(["c", "d"]);
  await staging.put("kept/a/kabuto/gone/inbox/t/1", Buffer.from("x"), { maxBytes: 1 });
  for (let i = 0; i < 2; i++) await round(0);
  await round(2);
  expect(await left()).toEqual(["a"]);
  await cleanUp(core());
  expect(await left()).toEqual([]);
});

test("the first log-in is noted though the confirmation comes in between: the account is used", async () => {
  const body = new URLSearchParams({ login: "ada", password: "SecreT", email: "ada@example.com" });
  const registered = await fetch(`${ground.url}/register`, { method: "POST", body });
  const { token } = (await registered.json()) as { token: string };
  const { records } = core();
  const transact = records.transact.bind(records);
  vi.spyOn(records, "transact").mockImplementationOnce(async (writes) => {
    await fetch(`${ground.url}/register/confirm/ada/${token}`);
    return transact(writes);
  });
  expect((await fetch(`${ground.url}/login`, { method: "POST", body })).status).toBe(200);
  const { uid } = (await ground.ground.accounts.getUser("ada"))!;
  const noted = await records.get<RegistrationRecord>(keys.account(uid));
  expect(noted!.data).toMatchObject({ confirmed: true, usedAt: expect.any(Number) });
});
