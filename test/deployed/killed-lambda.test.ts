import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { clientFor, findEngine } from "../../scripts/docker-engine.ts";
import { type DeployedEdge, deployedEdge } from "./support/deployed-edge.ts";

/** Opens when the edge has begun; the edge goes on when the test says so. */
const begun = Promise.withResolvers<string>();
const goOn = Promise.withResolvers<void>();
let at: DeployedEdge;
beforeAll(async () => {
  at = await deployedEdge({
    "nodes.status": async ({ command }) => {
      begun.resolve(command.id);
      await goOn.promise;
      return { nodes: [] };
    },
  });
}, 120_000);
afterAll(async () => {
  goOn.resolve();
  await at.close();
});

/** Kills every process that the API's Lambda has, as if their machines were gone. @returns how many */
async function killLambdas(): Promise<number> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(engine.detail);
  const docker = clientFor(engine.host);
  // the emulator names its containers for their function
  const name = `lambda-${inject("deployed").outputs.ApiFunction.toLowerCase()}-`;
  const containers = await docker.listContainers({ filters: { name: [name] } });
  for (const { Id } of containers) await docker.getContainer(Id).kill();
  return containers.length;
}

test("a Lambda that is killed while it waits loses nothing: the command goes on and is found", async () => {
  const { client } = at.users[0]!;
  const call = client.get("/em/nodes/status").then(
    ({ status }) => status,
    () => "cut",
  );
  const id = await begun.promise;
  expect(await killLambdas()).toBeGreaterThan(0);
  goOn.resolve();
  // Whoever called learns nothing of it, or of a broken Lambda.
  expect([500, 502, "cut"]).toContain(await call);
  const found = (await client.get(`/commands/${id}?wait=30`)).json.data;
  expect(found).toMatchObject({ command_id: id, state: "succeeded", operation: "nodes.status" });
  // Nothing holds the edge any more.
  expect((await client.get("/edge")).json.data).toMatchObject({ busy: null, queued: 0 });
}, 180_000);
