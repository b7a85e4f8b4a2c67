import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptOf } from "#lambdas/dialects/kabuto/kept.ts";
import { type Counter, type Kind, keys } from "#lambdas/dialects/kabuto/records.ts";
import { ROUTES } from "#lambdas/dialects/kabuto/routes.ts";
import { ulid } from "#lambdas/ledger/ulid.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { holdingsOf } from "../support/holdings-of.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

/** One value for each parameter that a route's path may have. */
type Ids = Record<string, string>;

const HEADERS_OF_A_MOMENT = ["date", "keep-alive"];

let ground: KabutoGround;
let agent: ScriptedAgent;
let ann: KabutoClient;
let bob: KabutoClient;
let running: ClaimedCommand;
/** Ann's own, Bob's (of his ended job, and of the running one), and what never was. */
let own: Ids;
let bobs: readonly Ids[];
let nobodys: Ids;

beforeAll(async () => {
  ground = await startKabutoGround();
  agent = await ground.agent();
  [ann, bob] = [await ground.user(), await ground.user()];
  const { records } = ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
  const { uid } = (await ground.ground.accounts.getUser("user1"))!;
  // no id of Bob's was ever one of Ann's
  const data: Counter = { last: 100, used: 0 };
  const kinds: Kind[] = ["image", "pipeline", "job"];
  await records.transact(kinds.map((kind) => ({ put: { ...keys.counter(uid, kind), data } })));
  const builds: string[] = [];
  for (const [user, image] of [[ann, "101"] as const, [bob, "1"] as const]) {
    const { build_id } = await user.post("/image", { name: "i", dockerfile: "FROM busybox\n" });
    builds.push(String(build_id));
    await agent.work();
    await user.post("/pipeline", { name: "p" });
    await user.upload(`/pipeline/${image}/job`, { image_id: image }, { "in.txt": "in" });
  }
  await bob.post("/pipeline/1/submit");
  const [ended] = await agent.claim();
  await agent.endJob(ended!, { log: "one\n", zip: Buffer.from("zip") });
  await bob.post("/pipeline", { name: "q" });
  await bob.upload("/pipeline/2/job", { image_id: "1" }, { "in.txt": "in" });
  await bob.post("/pipeline/2/submit");
  running = (await agent.claim())[0]!;
  await agent.progress(running, "running");
  const [annsBuild, bobsBuild] = builds as [string, string];
  own = { image: "101", pipeline: "101", job: "101", build: annsBuild, log: "0" };
  const ofBob = { image: "1", pipeline: "1", job: "1", build: bobsBuild, log: "4" };
  bobs = [ofBob, { ...ofBob, pipeline: "2", job: "2" }];
  nobodys = { image: "9", pipeline: "9", job: "9", build: ulid(Date.now()), log: "4" };
});
afterAll(() => ground.stop());

/** Everything that Bob sees, and what is kept for him. */
async function stateOfBob(): Promise<unknown> {
  const user = (await ground.ground.accounts.getUser("user2"))!;
  const paths = ["/image", "/pipeline", "/jobs", "/execution/1/logs", `/image/build/${bobs[0]!.build}`];
  const seen = await Promise.all(paths.map((path) => bob.get(path)));
  const zip = await (await bob.send("/pipeline/1/job/1?result")).text();
  const kept = await ground.ground.staging.list(keptOf({ user: user.name, uid: user.uid }));
  return { seen, zip, kept };
}

/** An answer whole, but for what belongs to its moment; the ids that were asked for are not told apart. */
async function answered(path: string, method: string, ids: Ids, fields?: Record<string, string>) {
  const init: RequestInit = { method };
  if (method === "POST" || method === "PUT") {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields ?? { command: "true" })) body.append(name, value);
    body.append("attachments", new Blob(["x"]), "in.txt");
    init.body = body;
  }
  const answer = await ann.send(path, init);
  const headers = [...answer.headers].filter(([name]) => !HEADERS_OF_A_MOMENT.includes(name));
  const image = ids.image ?? "";
  const text = (await answer.text()).replace(`with id ${image}`, "with id <image>");
  return { status: answer.status, headers, text };
}

/** A path for each way to name at least one parameter from `of`, the others being Ann's own. */
function pathsOf(pattern: string, of: Ids): { path: string; ids: Ids }[] {
  const names = [...pattern.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  return Array.from({ length: 2 ** names.length - 1 }, (_, i) => {
    const ids: Ids = Object.fromEntries(
      names.map((name, bit) => [name, ((i + 1) & (1 << bit) ? of : own)[name]!]),
    );
    return { path: pattern.replace(/:(\w+)/g, (_all, name: string) => ids[name]!), ids };
  });
}

const NAMES = ["image", "pipeline", "job", "build"];
const ASKED = ROUTES.flatMap(([pattern, handles]) => {
  const names = [...pattern.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  if (!names.some((name) => NAMES.includes(name))) return [];
  // a log's row is one of its job's, not an object
  const asked = pattern.replace(":log", "0");
  return Object.keys(handles).flatMap((method) =>
    method === "GET" && asked.endsWith("/job/:job")
      ? [
          [method, asked, ""],
          [method, asked, "?result"],
        ]
      : [[method, asked, ""]],
  );
}) as [method: string, pattern: string, query: string][];

describe("an id of another user's is answered as one that never was", () => {
  test("every object has routes here", () => {
    for (const name of NAMES) expect(ASKED.some(([, pattern]) => pattern.includes(`:${name}`))).toBe(true);
    expect(ASKED.length).toBeGreaterThan(20);
  });

  test.each(ASKED)("%s %s%s", async (method, pattern, query) => {
    const before = await stateOfBob();
    const none = pathsOf(pattern, nobodys);
    for (const of of bobs) {
      for (const [i, { path, ids }] of pathsOf(pattern, of).entries()) {
        const meant = await answered(`${path}${query}`, method, ids);
        const expected = await answered(`${none[i]!.path}${query}`, method, none[i]!.ids);
        expect(meant, `${method} ${path}`).toEqual(expected);
        expect(meant.status).toBe(200);
      }
    }
    expect(await stateOfBob()).toEqual(before);
  });

  test("also where it is a parameter", async () => {
    const before = await stateOfBob();
    const asked: [string, string, (ids: Ids) => Record<string, string>][] = [
      ["POST", "/pipeline/101/job", ({ image }) => ({ image_id: image! })],
      ["PUT", "/pipeline/101/job/101", ({ image }) => ({ image_id: image! })],
      ["PUT", "/pipeline/101", ({ job }) => ({ remove_jobs: job! })],
    ];
    for (const [method, path, fields] of asked) {
      const [meant, expected] = [
        await answered(path, method, own, fields(bobs[0]!)),
        await answered(path, method, own, fields(nobodys)),
      ];
      expect(meant, `${method} ${path}`).toEqual(expected);
    }
    const order = (job: string) => ann.put("/pipeline/101", { rearrange_jobs: job });
    const told = (job: string) => ({
      rearrange_jobs: `Could not rearrange jobs. rearrange ids are [${job}] while current ids are [101]`,
    });
    for (const job of ["1", "9"]) expect(await order(job)).toEqual(told(job));
    expect(await stateOfBob()).toEqual(before);
  });
});

test("nothing of another user's is in a list, and no token on the wire opens anything", async () => {
  for (const path of ["/image", "/pipeline", "/jobs"]) {
    expect(Object.keys(await ann.get(path)), path).toEqual(["101"]);
  }
  const jobs = (await bob.get("/jobs")) as Record<string, { attachment_token: string }>;
  for (const token of [jobs["1"]!.attachment_token, "00000000-0000-4000-8000-000000000000"]) {
    for (const what of ["attachments", "results"]) {
      const answer = await ann.send(`/execution/1/${what}/${token}`);
      expect([answer.status, await answer.json()]).toEqual([404, { status: 404, message: "Not Found" }]);
    }
  }
});

test("what is told of all APIs together is the user's own", async () => {
  const [anns, bobs] = await Promise.all(["user1", "user2"].map((user) => holdingsOf(ground.ground, user)));
  expect(anns!.items.map(({ kind, name, state }) => [kind, name, state])).toEqual(
    expect.arrayContaining([
      ["image", "101 i", undefined],
      ["job", "101", "ready"],
    ]),
  );
  expect(anns!.items.every(({ dialect, name }) => dialect === "kabuto" && /^10\d/.test(String(name)))).toBe(
    true,
  );
  expect(bobs!.items.filter(({ kind }) => kind === "job").map(({ name, phase }) => [name, phase])).toEqual([
    ["2", "runs"],
    ["1", "ended"],
  ]);
});

test("an image of another user's is no base of a build", async () => {
  await ann.post("/image", { name: "x", dockerfile: "FROM i\n" });
  const command = (await agent.claim()).find(({ operation }) => operation === "image.build")!;
  const { bases } = command.input as { bases: Record<string, string> };
  const records = ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core.records;
  const { uid } = (await ground.ground.accounts.getUser("user2"))!;
  const image = await records.get<{ ref: string }>(keys.object(uid, "image", 1));
  expect(image!.data.ref).toMatch(/^b[0-9a-f]{32}$/);
  expect(JSON.stringify(bases)).not.toContain(image!.data.ref);
  await agent.endBuild(command, []);
});

test("a key that another user has used is free", async () => {
  const send = async (user: KabutoClient, name: string) => {
    const body = new URLSearchParams({ name });
    const headers = { "idempotency-key": "k" };
    return (await user.send("/pipeline", { method: "POST", headers, body })).json();
  };
  expect(await send(bob, "of bob")).toEqual({ id: 3 });
  expect(await send(ann, "of ann")).toEqual({ id: 102 });
  expect(await send(bob, "of bob")).toEqual({ id: 3 });
});

test("what ran for another user runs on", async () => {
  expect(await agent.progress(running)).toMatchObject({ cancel: [] });
  await agent.endJob(running);
  expect((await bob.get("/jobs"))["2"]).toMatchObject({ state: "done", reason: "Completed" });
});
