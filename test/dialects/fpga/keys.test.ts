import { afterEach, beforeEach, expect, it } from "vitest";
import { loadSecrets, rotateSealKey } from "#lambdas/auth/secrets.ts";
import { AccessKeys } from "#lambdas/dialects/fpga/auth/access-keys.ts";
import { SecretSeal } from "#lambdas/dialects/fpga/auth/sealed-secret.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

type Key = {
  access_key: string;
  secret_key: string;
  object_store_port: number | null;
  project_id: string;
  region: string;
};
const ask = async (method: string, path: string, user = "ada") => {
  const headers = { authorization: `Bearer ${ground.token(user)}` };
  const answer = await ground.send(method, path, { headers });
  return { status: answer.status, json: JSON.parse(answer.text) as { error?: string; data: unknown } };
};
const create = async (user?: string) => (await ask("POST", "/fpga/keys", user)).json.data as Key;
const signed = async (
  { access_key, secret_key }: Key,
  { user = "ada", scope }: { user?: string; scope?: string },
) => {
  const target = `${ground.base(user)}/detail?`;
  const date = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const headers = { host: `127.0.0.1:${ground.port}`, "x-sdk-date": date };
  const of = { accessKey: access_key, secret: secret_key, method: "GET", target, headers };
  const authorization = signSdk({
    ...of,
    ...(scope !== undefined && { scope: `${date.slice(0, 8)}/${scope}` }),
  });
  return (await ground.send("GET", target, { headers: { ...headers, authorization } })).status;
};

it("a key signs in both forms for its project alone, until it is revoked; its secret is shown once", async () => {
  const key = await create();
  expect(key).toMatchObject({
    access_key: expect.stringMatching(/^PG[A-Z0-9]{18}$/),
    secret_key: expect.stringMatching(/^[A-Za-z0-9]{40}$/),
    project_id: ground.project().id,
    region: "em1",
  });
  const { secret_key, object_store_port, ...shown } = key;
  expect(object_store_port).toBe(null);
  expect((await ask("GET", "/fpga/keys")).json.data).toEqual([shown]);
  expect((await ask("GET", "/fpga/keys", "bob")).json.data).toEqual([]);
  expect(await signed(key, {})).toBe(200);
  expect(await signed(key, { scope: "em1/ecs" })).toBe(200);
  expect(await signed({ ...key, secret_key: secret_key.toLowerCase() }, {})).toBe(401);
  expect(await signed(key, { user: "bob" })).toBe(400);
  const at = `/fpga/keys/${key.access_key}`;
  expect(await ask("DELETE", at, "bob")).toMatchObject({
    status: 404,
    json: { error: "ACCESS_KEY_NOT_FOUND" },
  });
  expect((await ask("DELETE", at)).status).toBe(200);
  expect((await ask("DELETE", at)).status).toBe(404);
  expect(await signed(key, {})).toBe(401);
  expect((await ask("GET", "/fpga/keys")).json.data).toEqual([]);
});

it("a project has five keys at most, and they go with the user who registered nothing", async () => {
  const keys: Key[] = [];
  for (let n = 0; n < 5; n++) keys.push(await create());
  expect(await ask("POST", "/fpga/keys")).toMatchObject({ status: 507, json: { error: "QUOTA_EXCEEDED" } });
  await ground.ground.accounts.removeUser("ada");
  expect(await signed(keys[0]!, {})).toBe(401);
  await ground.ground.janitor.round();
  for (const { access_key } of keys) expect(await ground.parts.keys.find(access_key)).toBeUndefined();
});

it("what seals secrets lasts, and the key before it still opens them", async () => {
  const { access_key, secret_key } = await create();
  const record = (await ground.parts.keys.find(access_key))!;
  const secretNow = async () => {
    const { seals } = await loadSecrets(ground.data);
    return new AccessKeys(ground.core.records, new SecretSeal(seals)).secretOf(access_key, record);
  };
  expect(await secretNow()).toBe(secret_key);
  await rotateSealKey(ground.data);
  expect(await secretNow()).toBe(secret_key);
  await rotateSealKey(ground.data);
  expect(await secretNow()).toBeUndefined();
});
