import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import { startCountedGround } from "./support/counted-ground.ts";
import { client } from "./support/kabuto-ground.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";

let world: Awaited<ReturnType<typeof startCountedGround>>;
beforeEach(async () => {
  world = await startCountedGround();
});
afterEach(() => world.stop());

/** docs/cost.md counts by these. */
const MOST_OF_A_JOB = 30;
/** Of these the submission's. */
const MOST_OF_A_SUBMISSION = 5;
const MOST_OF_A_POLL = 4;
/** Requests of the agent's own, past the ground: the doorbell's two, the list of files, a file, the zip. */
const OF_THE_AGENT = ["ReceiveMessage", "DeleteMessage", "GetObject", "GetObject", "PutObject"];

test("one job takes a bounded number of AWS requests from its submission to its end, a look at it at most four", async () => {
  const { url, ground, calls } = world;
  const { token } = await ground.accounts.addEdge("em1");
  const password = randomBytes(9).toString("hex");
  await ground.accounts.addUser("ann", password);
  const login = new URLSearchParams({ username: "ann", password });
  const { access } = (await (await fetch(`${url}/auth/`, { method: "POST", body: login })).json()) as {
    access: string;
  };
  const logIn = await fetch(`${url}/login`, {
    method: "POST",
    body: new URLSearchParams({ login: "ann", password }),
  });
  const cookie = logIn.headers.get("set-cookie")!.split(";", 1)[0]!;
  const bearer = { authorization: `Bearer ${access}` };
  let headers: Record<string, string> = bearer;
  const send = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(url + path, { ...init, headers });
    return (await answer.json()) as Record<string, unknown>;
  };
  const post = (path: string, fields: Record<string, string> = {}) =>
    send(path, { method: "POST", body: new URLSearchParams(fields) });
  const agent = await startScriptedAgent(url, token);
  await post("/image", { name: "i", dockerfile: "FROM busybox\n" });
  await agent.work();
  const makeJob = async (pipeline: number) => {
    await post("/pipeline", { name: "p" });
    const body = new FormData();
    body.append("attachments", new Blob(["in"]), "in.txt");
    body.append("image_id", "1");
    return (await send(`/pipeline/${pipeline}/job`, { method: "POST", body })).id as number;
  };
  const countedIn = async (work: () => Promise<void>) => {
    const before = calls.length;
    await work();
    return calls.slice(before);
  };

  const looks: string[][] = [];
  const look = async (id: number, state: string) => {
    const seen = await countedIn(async () => {
      const jobs = await send(`/pipeline/${id}/job/${id}`);
      expect(jobs[id]).toMatchObject({ state });
    });
    looks.push(seen);
  };
  let job: string[] = [];
  let submitted: string[] = [];
  // the second one's count: the first leaves a process that knows accounts and edges
  for (const id of [1, 2]) {
    expect(await makeJob(id)).toBe(id);
    headers = bearer;
    submitted = await countedIn(async () => {
      await post(`/pipeline/${id}/submit`);
    });
    // the clients of the contract page have a cookie, which the process knows after its first request
    headers = { cookie };
    await send("/");
    await look(id, "in_queue");
    const begun = await countedIn(async () => {
      const [command] = await agent.claim();
      expect(command!.manifest).toBeDefined();
      expect(await agent.files(command!)).toEqual({ "in.txt": "in" });
      await agent.progress(command!, "running");
    });
    await look(id, "running");
    const ended = await countedIn(async () => {
      const [command] = [...agent.have.values()];
      await agent.endJob(command!, { log: "one\n" });
    });
    await look(id, "done");
    job = [...submitted, ...begun, ...ended, ...looks.at(-1)!, ...OF_THE_AGENT];
  }
  expect(job.length, job.join("\n")).toBeLessThanOrEqual(MOST_OF_A_JOB);
  expect(job).toContain("SendMessage");
  expect(submitted.length, submitted.join("\n")).toBeLessThanOrEqual(MOST_OF_A_SUBMISSION);
  // a session that has ended is not remembered
  expect(await send("/logout", { method: "POST" })).toEqual({ logout: "success" });
  expect(await send("/")).toMatchObject({ status: 401 });
  for (const one of looks.slice(3)) expect(one.length, one.join("\n")).toBeLessThanOrEqual(MOST_OF_A_POLL);
  if (process.env.PERIGEE_TEST_LOG)
    console.error([...job, "", ...looks.map((one) => one.join(", "))].join("\n"));
});

test("of creations at once in one process none loses a race against another", async () => {
  const { url, ground, calls } = world;
  const { token } = await ground.accounts.addEdge("em1");
  const { core } = ground.dialects.find(({ dialect }) => dialect === kabuto)!;
  const account = await ground.accounts.addUser("ann", "long enough");
  const me = client(url, `session=${await openSession(core, account)}`);
  await me.image(await startScriptedAgent(url, token));
  await me.post("/pipeline", { name: "p" });
  for (const [path, fields] of [
    ["/pipeline", { name: "p" }],
    ["/pipeline/1/job", { image_id: "1" }],
  ] as const) {
    const before = calls.length;
    const made = await Promise.all(Array.from({ length: 20 }, () => me.post(path, fields)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(20);
    const writes = calls.slice(before).filter((call) => call.startsWith("Transact"));
    expect(writes).toHaveLength(20);
  }
});
