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
});
afterAll(async () => {
  goOn.resolve();
  await at.close();
});

/** Run in a Lambda's container: kills all but its first process, which the emulator speaks to. */
const KILL = `for (const pid of require("fs").readdirSync("/proc").filter(Number))
  if (pid > 1 && Number(pid) !== process.pid) try { process.kill(pid, "SIGKILL") } catch {}`;

/** Kills every process of the API's Lambda, in the middle of whatever it does. @returns how many containers it had */
async function killLambdas(): Promise<number> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(engine.detail);
  const docker = clientFor(engine.host);
  // the emulator names its containers for their function
  const name = `lambda-${inject("deployed").outputs.ApiFunction.toLowerCase()}-`;
  const containers = await docker.listContainers({ filters: { name: [name] } });
  for (const { Id } of containers) {
    const exec = await docker.getContainer(Id).exec({ Cmd: ["node", "-e", KILL], AttachStdout: true });
    const output = await exec.start({});
    await new Promise((done) => output.resume().once("close", done));
  }
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
});
