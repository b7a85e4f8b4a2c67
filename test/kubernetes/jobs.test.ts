import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KabutoClient } from "#test/contract/kabuto/support/client.ts";
import { begun, built, ended, job, pipeline } from "#test/contract/kabuto/support/work.ts";
import { filesOfZip, type JobRig } from "#test/support/job-rig.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";

/** Says what it sees of its directories, then waits for its end; asked to end, it does so with 3. */
const PROGRAM = `trap 'echo asked; exit 3' TERM
touch /inbox/mine 2>/dev/null || echo read-only
tr a-z A-Z < /inbox/d/words > /outbox/loud
echo up
while :; do sleep 0.1; done
`;

describe("jobs of Kabuto's API on the cluster", () => {
  const client = new KabutoClient(process.env.PERIGEE_URL!);
  const directory = mkdtempSync(join(tmpdir(), "perigee-cluster-jobs-"));
  let image: string;
  beforeAll(async () => {
    const { PERIGEE_USER: login, PERIGEE_PASSWORD: password } = process.env;
    await client.post("/login", { login: login!, password: password! });
    const build = await built(client, { dockerfile: 'FROM busybox:latest\nCMD ["sh", "/inbox/program"]\n' });
    expect(build).toMatchObject({ state: "SUCCESS" });
    image = String(build.id);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const linesOf = async (id: number): Promise<string[]> =>
    (await client.get(`/execution/${id}/logs`)).map(({ logline }: { logline: string }) => logline);
  const filesOf = async (of: string, id: number) => {
    const { bytes, headers } = await client.send("GET", `${of}/job/${id}?result`);
    expect(headers.get("content-type")).toBe("application/zip");
    const file = join(directory, `${id}.zip`);
    writeFileSync(file, bytes);
    return filesOfZip(file);
  };
  /** Submits a job in a pipeline of its own. */
  const submitted = async (program: string) => {
    const of = await pipeline(client);
    const id = await job(client, of, { image_id: image }, { program, "d/words": "some words" });
    await client.post(`${of}/submit`);
    return { of, id };
  };

  test("four at once: their files, a kill, a cancel, and the next in the place of who ended", async () => {
    const four = await Promise.all(["a", "b", "c", "d"].map(() => submitted(PROGRAM)));
    const states = await Promise.all(four.map(async ({ of, id }) => (await begun(client, of, id)).state));
    expect(states).toEqual(["running", "running", "running", "running"]);
    const next = await submitted("echo next > /outbox/next; exit 7");
    await Promise.all(
      four.map(async ({ id }) => {
        while (!(await linesOf(id)).includes("up")) await client.get(`/execution/${id}/logs?wait=25`);
      }),
    );
    // all four places are taken
    expect(await client.get(`${next.of}/job/${next.id}`)).toMatchObject({ [next.id]: { state: "in_queue" } });
    const [killed, ...cancelled] = four as [(typeof four)[0], ...typeof four];
    expect(await client.get(`${killed.of}/job/${killed.id}/kill`)).toEqual({ message: "Success" });
    expect(await ended(client, killed.of, killed.id)).toMatchObject({
      state: "done",
      reason: "Killed",
      response: 137,
    });
    expect(await ended(client, next.of, next.id)).toMatchObject({ state: "done", response: 7 });
    expect(await filesOf(next.of, next.id)).toEqual({ next: "next\n" });
    for (const { of, id } of cancelled) {
      expect(await client.post(`${of}/job/${id}/cancel`)).toEqual({ message: "Success" });
    }
    for (const { of, id } of cancelled) {
      expect(await ended(client, of, id)).toMatchObject({ state: "done", reason: "Cancelled", response: 3 });
      expect(await linesOf(id)).toEqual(["read-only", "up", "asked"]);
    }
    for (const { of, id } of four) expect(await filesOf(of, id)).toEqual({ loud: "SOME WORDS" });
    // a node gives it a second: it may have said that it was asked
    expect((await linesOf(killed.id)).slice(0, 2)).toEqual(["read-only", "up"]);
  });
});

describe("a job on the cluster", () => {
  let rig: KubernetesRig;
  let jobs: JobRig;
  beforeAll(async () => {
    rig = await KubernetesRig.create();
    jobs = await rig.jobs();
  });
  afterAll(() => rig?.cleanUp());

  test("over its deadline has failed, with all of its log, and nothing of it stays", async () => {
    // containerd may lose what is said at the very end while the machine is overloaded
    const late = jobs.job("trap 'echo asked; sleep 1; exit 5' TERM; echo up; while :; do sleep 0.1; done", {
      maxMs: 4_000,
    });
    expect(await late.run()).toMatchObject({ state: "failed", reason: "DeadlineExceeded", exitCode: null });
    expect(jobs.pods.lines(late.id)).toEqual(["up", "asked"]);
    expect(jobs.left()).toEqual({ volumes: [], kept: [] });
    const pods = async () =>
      (await rig.api.list("/api/v1/pods", { labelSelector: rig.names.selector })).items;
    await expect.poll(pods, { timeout: 60_000 }).toEqual([]);
  });

  test("goes on through a death of the agent, is not started again, and comes whole", async () => {
    const job = jobs.job("echo x >> /outbox/starts; cat /inbox/a; exit 7", {}, { a: "hello\n" });
    await job.runUntil("ended", "before");
    await jobs.restart();
    expect(await job.run()).toMatchObject({ state: "done", exitCode: 7 });
    expect(job.result()).toEqual({ starts: "x\n" });
    expect(jobs.pods.lines(job.id)).toEqual(["hello"]);
    expect(job.fetched.map(({ n }) => n)).toEqual([0]);
  });
});
