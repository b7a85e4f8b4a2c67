import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import { crc32 } from "node:zlib";
import { beforeAll, expect, inject, test } from "vitest";
import { awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { CREDENTIALS, REGION } from "#test/cloud/support/aws.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
import { CLOUD_EDGE } from "../../scripts/cloud/cloud-stack.ts";

const name = `f${randomBytes(5).toString("hex")}`;
const password = randomBytes(12).toString("hex");
let client: Client;
let base: string;

/** A user of the edge whose agent is a process here. */
beforeAll(async () => {
  const { endpoint, outputs, url } = inject("deployed");
  const clients = awsClients({ endpoint, region: REGION, credentials: CREDENTIALS });
  const store = new DynamoStore({ client: clients.dynamo, table: outputs.TableName, ttl: true });
  await new Accounts(store).addUser(name, password, { edges: [CLOUD_EDGE] });
  await store.close();
  for (const one of Object.values(clients)) one.destroy();
  client = await logIn(url, { name, password });
  const { projects } = (await client.get("/v3/projects", { name: CLOUD_EDGE })).json;
  base = `/v1/${projects[0].id}/cloudservers/fpga_image`;
});

const ask = (method: string, path: string, body?: object) =>
  client.request(method, path, {
    headers: { "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });

/** Puts a file into the user's bucket as the command-line client does: straight into S3. */
async function put(key: string, bytes: Buffer): Promise<void> {
  const part = { size: bytes.length, crc32: crc32(bytes).toString(16).padStart(8, "0") };
  const asked = { bucket: "abc", key, size: bytes.length, parts: [part] };
  const opened = await ask("POST", "/fpga/objects", asked);
  expect(opened.status).toBe(201);
  const { id, parts } = opened.json.data;
  for (const { url, headers } of parts) {
    expect((await fetch(url, { method: "PUT", headers, body: Uint8Array.from(bytes) })).status).toBe(200);
  }
  const completed = await ask("POST", `/fpga/objects/${id}/complete`);
  expect([completed.status, completed.text]).toEqual([200, expect.stringContaining(key)]);
}

async function register(key: string): Promise<string> {
  const body = { fpga_image: { location: `abc:${key}`, name: "n", metadata: {} } };
  const answer = await ask("POST", base, body);
  expect([answer.status, answer.json]).toEqual([
    200,
    { fpga_image: { status: "saving", id: expect.any(String) } },
  ]);
  return answer.json.fpga_image.id;
}

const shown = async (id: string) =>
  (await client.get(`${base}/detail`, { fpga_image_id: id })).json.fpgaimages[0];

test("an image goes from the function URL over the worker to the edge, and away again", async () => {
  const file = buildRawStream({ size: 1 << 20 });
  await put("good.bin", file);
  const [good, bad] = [await register("good.bin"), await register("none.bin")];
  await expect
    .poll(() => shown(good))
    .toMatchObject({
      status: "active",
      sha256: createHash("sha256").update(file).digest("hex"),
      format: "xilinx-bin-be",
    });
  await expect
    .poll(() => shown(bad))
    .toMatchObject({
      status: "error",
      message: "OBJECT_MISSING: logic file [abc:none.bin] does not exist",
    });
  for (const id of [good, bad]) expect((await ask("DELETE", `${base}/${id}`)).status).toBe(204);
  await expect.poll(async () => (await client.get(`${base}/detail`)).json.count).toBe(0);
});

/** Sends a target as it is given, signed with an access key. */
function signed(key: Key, method: string, target: string, body?: string, sent = target): Promise<number> {
  const at = new URL(inject("deployed").url);
  const date = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const headers = { host: at.host, "x-sdk-date": date };
  const authorization = signSdk({
    accessKey: key.access_key,
    secret: key.secret_key,
    method,
    target,
    headers,
    ...(body !== undefined && { body }),
  });
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const options = { host: at.hostname, port: at.port, method, path: sent };
    const outgoing = request({ ...options, headers: { ...headers, ...length, authorization } }, (answer) => {
      answer.resume().once("end", () => resolve(answer.statusCode ?? 0));
    });
    outgoing.once("error", reject).end(body);
  });
}
type Key = { access_key: string; secret_key: string };

test("requests are verified as they arrived at the function URL, with a key that the deployment's secret seals", async () => {
  const made = await ask("POST", "/fpga/keys");
  expect(made.status).toBe(201);
  const key: Key = made.json.data;
  const list = `${base.replaceAll("/", "//")}/detail/?size=2&page=1`;
  const pair = JSON.stringify({ image: { id: "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11" } });
  const unknown = `${base}/${"0".repeat(32)}/association`;
  expect(await signed(key, "GET", list)).toBe(200);
  expect(await signed(key, "GET", list, undefined, list.replace("size=2", "size=3"))).toBe(401);
  expect(await signed({ ...key, secret_key: "x".repeat(40) }, "GET", list)).toBe(401);
  // a body of DELETE is signed, too
  expect(await signed(key, "DELETE", unknown, pair)).toBe(404);
  expect((await ask("DELETE", `/fpga/keys/${key.access_key}`)).status).toBe(200);
});
