import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { CREDENTIALS, REGION } from "#test/cloud/support/aws.ts";
import { KabutoClient } from "#test/contract/kabuto/support/client.ts";
import { built, ended, job, pipeline } from "#test/contract/kabuto/support/work.ts";
import { filesOfZip } from "#test/support/job-rig.ts";
import { CLOUD_EDGE } from "../../scripts/cloud/cloud-stack.ts";

/** More than passes through a Lambda: its zip is led to. */
const LARGE_BYTES = 7 << 20;
const login = `k${randomBytes(5).toString("hex")}`;
const password = randomBytes(12).toString("hex");
const directory = mkdtempSync(join(tmpdir(), "perigee-deployed-kabuto-"));
const client = new KabutoClient(inject("deployed").url);

/** A user of the edge whose agent is a process on the engine here. */
beforeAll(async () => {
  const { endpoint, outputs } = inject("deployed");
  const clients = awsClients({ endpoint, region: REGION, credentials: CREDENTIALS });
  const store = new DynamoStore({ client: clients.dynamo, table: outputs.TableName, ttl: true });
  await new Accounts(store).addUser(login, password, { edges: [CLOUD_EDGE] });
  await store.close();
  for (const one of Object.values(clients)) one.destroy();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const logIn = async (headers: Record<string, string> = {}) => {
  const body = new URLSearchParams({ login, password });
  const answer = await new KabutoClient(client.url).send("POST", "/login", { body, headers });
  expect([answer.status, answer.json]).toEqual([200, { login: "success" }]);
  return answer.headers.getSetCookie();
};

test("the cookie of a log-in is Secure behind the function URL's https, and not where a client came without", async () => {
  expect(await logIn({ "x-forwarded-proto": "https" })).toEqual([
    expect.stringMatching(/^session=[\w-]{43}; HttpOnly; Path=\/; SameSite=Strict; Secure$/),
  ]);
  expect(await logIn()).toEqual([
    expect.stringMatching(/^session=[\w-]{43}; HttpOnly; Path=\/; SameSite=Strict$/),
  ]);
});

test("a whole job through the Lambdas: build, attachments, log, and a large zip over the redirect", async () => {
  await client.post("/login", { login, password });
  const build = await built(client, { dockerfile: 'FROM busybox:latest\nCMD ["sh", "/inbox/program"]\n' });
  expect(build).toMatchObject({ state: "SUCCESS" });
  const program = [
    "cat /inbox/d/words; echo read",
    "tr a-z A-Z < /inbox/d/words > /outbox/loud",
    `head -c ${LARGE_BYTES} /dev/urandom > /outbox/large; exit 7`,
  ].join("\n");
  const of = await pipeline(client);
  const files = { program, "d/words": "some words\n" };
  const [large, small] = [
    await job(client, of, { image_id: String(build.id) }, files),
    await job(client, of, { image_id: String(build.id), command: "sh -c 'echo 1 > /outbox/one'" }),
  ];
  expect(await client.post(`${of}/submit`)).toEqual({ [large]: "in_queue", [small]: "in_queue" });
  expect(await ended(client, of, large)).toMatchObject({ state: "done", response: 7, reason: "Error" });
  const rows = await client.get(`/execution/${large}/logs`);
  expect(rows.map(({ logline }: { logline: string }) => logline)).toEqual(["some words", "read"]);

  const led = await client.send("GET", `${of}/job/${large}?result`);
  expect([led.status, led.bytes.length]).toEqual([302, 0]);
  const zip = await fetch(led.headers.get("location")!);
  expect(zip.status).toBe(200);
  expect(zip.headers.get("content-type")).toBe("application/zip");
  expect(zip.headers.get("content-disposition")).toBe("attachment; filename=results.zip");
  const got = await filesIn("large", Buffer.from(await zip.arrayBuffer()));
  expect(got.loud).toBe("SOME WORDS\n");
  expect(got.large).toHaveLength(LARGE_BYTES);

  // what is small comes through the Lambda itself
  expect(await ended(client, of, small)).toMatchObject({ state: "done", response: 0 });
  const passed = await client.send("GET", `${of}/job/${small}?result`);
  expect(passed.status).toBe(200);
  expect(await filesIn("small", passed.bytes)).toEqual({ one: "1\n" });

  expect(await client.delete(of)).toEqual({ status: "Successfully deleted the pipeline" });
  await client.delete(`/image/${build.id}`);
  const gone = await fetch(led.headers.get("location")!);
  expect(gone.status).toBe(404);
});

async function filesIn(name: string, zip: Buffer): Promise<Record<string, string>> {
  const file = join(directory, `${name}.zip`);
  writeFileSync(file, zip);
  return filesOfZip(file);
}
