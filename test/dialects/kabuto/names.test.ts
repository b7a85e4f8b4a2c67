import { afterAll, beforeAll, expect, test } from "vitest";
import { keys } from "#lambdas/dialects/kabuto/records.ts";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";

const DAY_MS = 24 * 3600_000;
let ground: KabutoGround;
let now = Date.now();
beforeAll(async () => {
  ground = await startKabutoGround({
    now: () => now,
    settings: { PERIGEE_KABUTO_REGISTRATION: "confirm" },
  });
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
const post = (path: string, fields: Record<string, string>) =>
  fetch(`${ground.url}${path}`, { method: "POST", body: new URLSearchParams(fields) });
const register = async (login: string) => {
  const answer = await post("/register", { login, password: "SecreT", email: `${login}@x` });
  return (await answer.json()) as { status: string; token: string };
};
const confirm = (login: string, token: string) => fetch(`${ground.url}/register/confirm/${login}/${token}`);
const statuses = async (login: string) => [
  (await post("/login", { login, password: "SecreT" })).status,
  (await post("/auth/", { username: login, password: "SecreT" })).status,
];

test("who has not confirmed gets in nowhere, and afterwards everywhere", async () => {
  const { token } = await register("ada");
  expect(await statuses("ada")).toEqual([401, 401]);
  await confirm("ada", token);
  expect(await statuses("ada")).toEqual([200, 200]);
});

test("the name of a removed user, registered again, starts empty in every API", async () => {
  const { accounts, staging } = ground.ground;
  const old = await accounts.addUser("bob", "long enough");
  await staging.put(`kept/bob/kabuto/${old.uid}/inbox/x/0`, Buffer.from("x"), { maxBytes: 1 });
  await accounts.removeUser("bob");
  const { status, token } = await register("bob");
  expect(status).toBe("success");
  await confirm("bob", token);
  const names = (await accounts.listUsers()).map(({ name }) => name);
  expect(names).not.toContain("bob");
  // the operator's word is not this account's
  expect(await statuses("bob")).toEqual([200, 401]);
  expect(await register("bob")).toMatchObject({ status: "fail" });
  await ground.ground.janitor.round();
  expect(await staging.list("kept/bob/")).toEqual([]);
});

test("what a request still writes for an account that was removed goes a day later", async () => {
  const { accounts, janitor } = ground.ground;
  const { uid } = await accounts.addUser("late", "long enough");
  await accounts.removeUser("late");
  await janitor.round();
  const key = keys.object(uid, "pipeline", 1);
  await core().records.transact([{ put: { ...key, data: { id: 1 } } }]);
  now += DAY_MS + 1;
  await janitor.round();
  expect(await core().records.get(key)).toBeUndefined();
});

test("an account that nobody logged in with goes after a week, with its login and its place", async () => {
  const unused = await register("unused");
  const used = await register("used");
  await confirm("unused", unused.token);
  await confirm("used", used.token);
  await statuses("used");
  now += 7 * DAY_MS + 1;
  await ground.ground.janitor.round();
  const names = (await ground.ground.accounts.listUsers()).map(({ name }) => name);
  expect(names).toContain("used");
  expect(names).not.toContain("unused");
  await ground.ground.janitor.round();
  expect(await register("unused")).toMatchObject({ status: "success" });
});
