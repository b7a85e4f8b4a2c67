import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { poseidon } from "#lambdas/dialects/poseidon/dialect.ts";
import { PoseidonTokens } from "#lambdas/dialects/poseidon/tokens.ts";
import { makeWorld, type World } from "#test/support/world.ts";
import { Stage } from "../testing/cli-process.ts";

let world: World;
let stage: Stage;
beforeEach(async () => {
  world = await makeWorld();
  await world.ground.accounts.addUser("alice", "long enough");
  stage = await Stage.open();
});
afterEach(async () => {
  await stage.close();
  await world.close();
});
const perigee = async (...args: string[]) => {
  const env = { PERIGEE_DATA: join(world.data, "ground"), PERIGEE_URL: world.url };
  const { code, stdout, stderr } = await stage.run(["poseidon", "token", ...args, "--json"], { env });
  return { code, stderr, data: code === 0 ? JSON.parse(stdout).data : undefined };
};

test("a token is shown once or kept in a private file, listed without it, and ends when removed", async () => {
  const { core } = world.ground.dialects.find(({ dialect }) => dialect === poseidon)!;
  const tokens = new PoseidonTokens(core.records);
  const { data } = await perigee("add", "codeocean", "--user", "alice");
  expect(data).toEqual({
    name: "codeocean",
    user: "alice",
    edge: null,
    token: expect.stringMatching(/^pgp_[A-Za-z0-9_-]{43}$/),
  });
  expect(await tokens.find(data.token)).toMatchObject({ name: "codeocean", user: "alice" });
  const file = join(stage.dir, "token");
  const kept = await perigee("add", "other", "--user", "alice", "--edge", "em1", "--token-file", file);
  expect(kept.data).toEqual({ name: "other", user: "alice", edge: "em1", token_file: file });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await tokens.find((await readFile(file, "utf8")).trim())).toMatchObject({ edge: "em1" });
  const created_at = expect.any(String);
  const list = await perigee("list");
  expect(list.data).toEqual([
    { name: "codeocean", user: "alice", edge: null, created_at },
    { name: "other", user: "alice", edge: "em1", created_at },
  ]);
  expect((await perigee("remove", "codeocean")).code).toBe(0);
  expect(await tokens.find(data.token)).toBeUndefined();
});

test("what cannot be is said with its code", async () => {
  await perigee("add", "taken", "--user", "alice");
  for (const [args, code, text] of [
    [["add", "taken", "--user", "alice"], 1, "ALREADY_EXISTS"],
    [["add", "new", "--user", "nobody"], 4, "USER_NOT_FOUND"],
    [["add", "new", "--user", "alice", "--edge", "em9"], 4, "EDGE_NOT_FOUND"],
    [["add", "no name", "--user", "alice"], 2, "INVALID_PARAMETERS"],
    [["remove", "new"], 4, "TOKEN_NOT_FOUND"],
  ] as const) {
    const answer = await perigee(...args);
    expect([args, answer.code]).toEqual([args, code]);
    expect(answer.stderr).toContain(text);
  }
});
