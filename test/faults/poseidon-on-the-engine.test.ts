import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LABEL } from "#agent/pods/labels.ts";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { Perigee } from "#test/contract/support/perigee.ts";
import { findProgram } from "../../scripts/debian-packages.ts";
import { makeRunnerImage } from "../../scripts/runner-image.ts";
import { type Deployment, deploy, docker, type Lane } from "./support/deployment.ts";

const TAG = "perigee-poseidon-chain:latest";
const WITHOUT_USER = "perigee-poseidon-nobody:latest";
/** In place of GNU's programs it has busybox's. */
const BUSY = { find: "perigee-poseidon-busyfind:latest", tar: "perigee-poseidon-busytar:latest" };
const LIST = "/execution-environments";
const GONE = { message: "no runner found with this id" };
const WAIT = { timeout: 120_000, interval: 200 };

let deployment: Deployment;
let lane: Lane;
let me: PoseidonClient;
let imageId: string;

beforeAll(async () => {
  imageId = await makeRunnerImage(docker, TAG);
  await changed(WITHOUT_USER, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
  const busybox = readFileSync(findProgram("busybox")!);
  for (const [name, tag] of Object.entries(BUSY)) await changed(tag, `usr/bin/${name}`, busybox);
  deployment = await deploy(1, {
    publicImages: [TAG, WITHOUT_USER, ...Object.values(BUSY)],
    ground: { PERIGEE_POSEIDON_POOL_THRESHOLD: "1" },
  });
  lane = deployment.lanes[0]!;
  const store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  try {
    const { uid } = (await new Accounts(store).getUser(lane.user))!;
    const of = { name: "chain", user: lane.user, uid, createdAt: Date.now() };
    me = new PoseidonClient(`${deployment.url}/api/v1`, await operatorTokens(store, "poseidon").add(of));
  } finally {
    await store.close();
  }
}, 240_000);
afterAll(async () => {
  await deployment?.close();
  for (const tag of [TAG, WITHOUT_USER, ...Object.values(BUSY)]) {
    await docker
      .getImage(tag)
      .remove({ force: true })
      .catch(() => {});
  }
}, 120_000);

/** An image like the runners' with one file of its own, under a tag. @returns its ID */
async function changed(tag: string, name: string, content: string | Buffer): Promise<string> {
  const container = await docker.createContainer({ Image: imageId, Cmd: ["/bin/true"] });
  try {
    const { pack } = await import("tar-stream");
    const tar = pack();
    tar.entry({ name, mode: 0o755 }, content);
    tar.finalize();
    await container.putArchive(tar as unknown as NodeJS.ReadableStream, { path: "/" });
    const [repo, version] = tag.split(":");
    return ((await container.commit({ repo, tag: version })) as { Id: string }).Id;
  } finally {
    await container.remove({ force: true });
  }
}

async function environment(id: number, rest: object = {}): Promise<void> {
  const body = { image: TAG, prewarmingPoolSize: 1, memoryLimit: 64, ...rest };
  expect((await me.body("PUT", `${LIST}/${id}`, body)).status).toBeOneOf([201, 204]);
}

async function runner(id: number): Promise<string> {
  const body = JSON.stringify({ executionEnvironmentId: id });
  for (let n = 0; ; n++) {
    const answer = await me.send("POST", "/runners", { body, headers: { prefer: "wait=60" } });
    if (answer.status === 200) return `/runners/${answer.json.runnerId}`;
    // a machine that does much else takes longer
    if (n === 3) throw new Error(`runner: ${answer.status} ${answer.text}`);
  }
}

const container = (path: string) => docker.getContainer(`perigee-${path.split("/").at(-1)}`).inspect();

describe("Poseidon's API over ground, agent and engine", { timeout: 240_000 }, () => {
  test("health is 503 while a pool is not full, and names it; then 204", async () => {
    await environment(1, { image: "no/such-image:1", prewarmingPoolSize: 3 });
    const health = async () => {
      const { status, text } = await me.get("/health");
      return [status, text === "" ? "" : JSON.parse(text)];
    };
    const message = "the prewarming pool is depleting: environments 1";
    expect(await health()).toEqual([503, { message, errorCode: "PREWARMING_POOL_DEPLETING" }]);
    await environment(1, { prewarmingPoolSize: 1 });
    await expect.poll(health, WAIT).toEqual([204, ""]);
    await me.delete(`${LIST}/1`);
  });

  test("the container has the share and the memory that were asked for, and bounds of its own", async () => {
    await environment(2, { cpuLimit: 20.5, memoryLimit: 100 });
    const path = await runner(2);
    const { HostConfig, Config } = await container(path);
    expect(HostConfig).toMatchObject({
      CpuShares: 21,
      Memory: 100 * 1024 * 1024,
      MemorySwap: 100 * 1024 * 1024,
      PidsLimit: 512,
      NetworkMode: "none",
    });
    expect(Config.Hostname).toBe(path.split("/").at(-1));
    await me.delete(`${LIST}/2`);
  });

  test("an image that was rebuilt under its tag is taken once the environment is put again", async () => {
    await environment(3);
    const before = await runner(3);
    expect((await me.get(`${before}/files/raw?path=/etc/built`)).status).toBe(424);
    const rebuilt = await changed(TAG, "etc/built", "again\n");
    await environment(3);
    expect((await me.get(`${before}/files`)).json).toEqual(GONE);
    const after = await runner(3);
    expect((await me.get(`${after}/files/raw?path=/etc/built`)).text).toBe("again\n");
    expect((await container(after)).Image).toBe(rebuilt);
    await me.delete(`${LIST}/3`);
  });

  test("in an image without `user` it is uid and gid 1000, at home in /workspace", async () => {
    await environment(4, { image: WITHOUT_USER });
    const execution = await me.run(await runner(4), 'echo "$(id -u):$(id -g):$HOME:$(pwd)"; touch mine');
    expect(execution.text("stdout")).toBe("1000:1000:/workspace:/workspace\r\n");
    expect(execution.end).toEqual({ type: "exit", data: 0 });
    await me.delete(`${LIST}/4`);
  });

  test.each(Object.entries(BUSY))(
    "an image whose %s is busybox's gets a reason, and no runner",
    async (name, image) => {
      await environment(7, { image });
      const reason = `the image's ${name} is not GNU ${name}`;
      const poolsOfEdge = async () => (await lane.client.get("/edge")).json.data.runners;
      await expect.poll(poolsOfEdge, WAIT).toMatchObject([{ environment: 7, idle: 0, reason }]);
      const refused = await me.body("POST", "/runners", { executionEnvironmentId: 7 });
      expect([refused.status, refused.json]).toEqual([
        500,
        {
          message: `no runners available for this execution environment: ${reason}`,
          errorCode: "NOMAD_OVERLOAD",
        },
      ]);
      await me.delete(`${LIST}/7`);
    },
  );

  test("a runner is entered as a runner and not as a pod, and the command lists it", async () => {
    await environment(8);
    const path = await runner(8);
    const id = path.split("/").at(-1)!;
    const body = { headers: { "content-type": "application/json" }, body: '{"command":["true"]}' };
    const asPod = await lane.client.request("POST", `/pods/${id}/exec`, body);
    // no pod has a name that begins with a digit
    expect([asPod.status, asPod.json.error]).toEqual([400, "INVALID_PARAMETERS"]);
    expect((await lane.client.get("/em/pod/status", { pod_name: id })).status).toBe(400);
    const perigee = new Perigee(lane.client);
    try {
      const words = [
        "-e",
        "A=b c",
        "-w",
        "/tmp",
        id,
        "--",
        "bash",
        "-c",
        'echo "$A,$PWD"; echo err >&2; exit 7',
      ];
      const ended = await perigee.run(["exec", ...words]);
      expect([ended.code, ended.stdout.toString(), ended.stderr]).toEqual([7, "b c,/tmp\n", "err\n"]);
      const lines = async (verb: string) =>
        (await perigee.run([verb])).stdout
          .toString()
          .split("\n")
          .filter((line) => line.includes(id));
      expect(await lines("runners")).toEqual([expect.stringMatching(/ 8 .* edge0 .* used /)]);
      expect((await lines("sessions"))[0]).toMatch(/^exec .* edge0 .* 7 /);
      const listed = async (verb: string) =>
        JSON.parse((await perigee.run([verb, "--json"])).stdout.toString()).data;
      expect(await listed("runners")).toContainEqual(
        expect.objectContaining({ id, environment: 8, edge: "edge0", state: "used", end: null }),
      );
      expect((await listed("sessions"))[0]).toMatchObject({ kind: "exec", pod: null, runner: id });
    } finally {
      perigee.close();
    }
    await me.delete(`${LIST}/8`);
  });

  test("an image of one's own that a pool is made from cannot be deleted; when the pool has gone it can", async () => {
    const files = { Dockerfile: `FROM ${TAG}\nLABEL own=1\n` };
    const place = { dest_path: "own", pod_name: "builds" };
    expect((await lane.client.uplink(files, place)).status).toBe(200);
    const build = { dockerfile: "own/Dockerfile", context: "own", image: "own", pod_name: "builds" };
    const built = await lane.client.form("/em/pod/image/build", build);
    expect([built.status, built.text]).toEqual([200, expect.stringContaining("built")]);
    await environment(9, { image: "own" });
    await runner(9);
    const remove = async () => {
      const { status, json } = await lane.client.form("/em/pod/image/delete", { image: "own" });
      return [status, json.error];
    };
    expect(await remove()).toEqual([409, "IMAGE_IN_USE"]);
    await me.delete(`${LIST}/9`);
    await expect.poll(remove, WAIT).toEqual([200, undefined]);
  });

  test("metrics count idle runners, hand-outs and sessions, and name nothing that a user chose", async () => {
    await environment(10);
    const metrics = async () => (await fetch(`${deployment.url}/metrics`)).text();
    const metricIn = (text: string, name: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")
          .at(-1),
      );
    const before = await metrics();
    const path = await runner(10);
    const secret = "chosen-by-a-user";
    const rest = { environment: { [secret]: secret } };
    expect((await me.run(path, `echo ${secret}; exit 3`, rest)).end).toEqual({ type: "exit", data: 3 });
    expect((await me.patch(path, { [secret]: "content" })).status).toBe(204);
    expect((await me.get(`${path}/files/raw?path=${secret}`)).text).toBe("content");
    const kinds = ["exec", "write", "read"].map((kind) => `{kind="${kind}",end="exit"}`);
    const grown = async () => {
      const after = await metrics();
      const names = [
        "perigee_runners_handed_out_total",
        ...kinds.map((of) => `perigee_live_sessions_ended_total${of}`),
      ];
      return names.map((name) => metricIn(after, name) - (metricIn(before, name) || 0));
    };
    await expect.poll(grown, WAIT).toEqual([1, 1, 1, 1]);
    await expect.poll(async () => metricIn(await metrics(), "perigee_runners_idle"), WAIT).toBeGreaterThan(0);
    const after = await metrics();
    expect(metricIn(after, "perigee_live_sessions")).toBe(0);
    expect(metricIn(after, 'perigee_live_session_start_seconds_count{kind="exec"}')).toBeGreaterThan(0);
    expect(metricIn(after, 'perigee_live_bytes_total{direction="out"}')).toBeGreaterThan(secret.length);
    expect(metricIn(after, "perigee_runner_refill_seconds_count")).toBeGreaterThan(0);
    for (const chosen of [secret, lane.user, lane.edge, path.split("/").at(-1)!, TAG, "perigee-poseidon"]) {
      expect(after).not.toContain(chosen);
    }
    // what labels there are, and no others
    const labels = after
      .split("\n")
      .filter((line) => /^perigee_(live|runner)/.test(line))
      .flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
    expect(new Set(labels)).toEqual(new Set(["kind", "end", "direction", "le"]));
    await me.delete(`${LIST}/10`);
  });

  test("an edge has 100 environments; one more is refused", async () => {
    const empty = { image: "", prewarmingPoolSize: 0 };
    for (let id = 100; id < 200; id++) await environment(id, empty);
    const over = await me.body("PUT", `${LIST}/200`, empty);
    expect([over.status, over.json]).toEqual([
      500,
      { message: expect.any(String), errorCode: "NOMAD_OVERLOAD" },
    ]);
    for (let id = 100; id < 200; id++) expect((await me.delete(`${LIST}/${id}`)).status).toBe(204);
  });

  test("the agent dies and comes back: what ran ends with an error and its runner, what was read is cut, quiet ones stay", async () => {
    await environment(5, { prewarmingPoolSize: 3 });
    const [busy, quiet] = [await runner(5), await runner(5)];
    const made = await me.run(quiet, "head -c 64M /dev/zero > large");
    expect(made.end).toEqual({ type: "exit", data: 0 });
    const execution = me.connect(await me.execute(busy, { command: "echo up; sleep 600" }));
    await execution.until(() => execution.text("stdout") !== "");
    const raw = await fetch(`${me.url}${quiet}/files/raw?path=large`, {
      headers: { "Poseidon-Token": me.token! },
    });
    expect([raw.status, raw.headers.get("content-length")]).toEqual([200, String(64 * 1024 * 1024)]);
    await lane.agent.kill();
    expect(await execution.closed).toEqual({ code: 1000, reason: "" });
    expect(execution.end).toEqual({ type: "error", data: "Error executing the request" });
    await expect(raw.arrayBuffer()).rejects.toThrow();
    // a list changes nothing: it waits for the next agent
    const listed = me.get(`${quiet}/files?recursive=false`);
    await lane.agent.start();
    expect((await listed).json.files).toMatchObject([{ name: "large", size: 64 * 1024 * 1024 }]);
    await expect.poll(async () => (await me.get(`${busy}/files`)).status, WAIT).toBe(410);
    expect((await me.run(quiet, "true")).end).toEqual({ type: "exit", data: 0 });
    await me.delete(`${LIST}/5`);
    const own = { label: [LABEL.runner, `${LABEL.user}=${lane.user}`] };
    await expect.poll(() => docker.listContainers({ all: true, filters: own }), WAIT).toEqual([]);
  });

  test("an execution whose runner was deleted before the edge took it ends as stopped", async () => {
    await environment(6);
    const path = await runner(6);
    const url = await me.execute(path, { command: "sleep 600" });
    process.kill(lane.agent.pid, "SIGSTOP");
    try {
      const execution = me.connect(url);
      await execution.until(() => execution.messages.length > 0);
      expect((await me.delete(path)).status).toBe(204);
      process.kill(lane.agent.pid, "SIGCONT");
      expect(await execution.closed).toEqual({ code: 1000, reason: "" });
      // whichever of the two the agent hears of first
      expect(execution.end).toEqual({ type: "error", data: "the allocation stopped as expected" });
    } finally {
      process.kill(lane.agent.pid, "SIGCONT");
    }
  });
});
