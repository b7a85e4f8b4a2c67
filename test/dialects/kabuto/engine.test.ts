import { afterAll, beforeAll, expect, test } from "vitest";
import { type OwnDeployment, startOwnDeployment } from "#test/support/own-deployment.ts";

let deployment: OwnDeployment;
let cookie: string;
beforeAll(async () => {
  deployment = await startOwnDeployment({});
  const { name: login, password } = deployment.user;
  const body = new URLSearchParams({ login, password });
  const answer = await fetch(`${deployment.url}/login`, { method: "POST", body });
  cookie = answer.headers.get("set-cookie")!.split(";", 1)[0]!;
}, 300_000);
afterAll(() => deployment?.stop());

const send = (path: string, init: RequestInit = {}) =>
  fetch(`${deployment.url}${path}`, { ...init, headers: { cookie } });
type Body = Record<string, unknown>;
const json = async (path: string, init?: RequestInit) => (await send(path, init)).json() as Promise<Body>;
const post = (path: string, fields: Record<string, string> = {}) =>
  json(path, { method: "POST", body: new URLSearchParams(fields) });

/** Asks until it is as it should be: each answer waits for a change. */
async function until(path: string, is: (body: Body) => boolean): Promise<Body> {
  for (;;) {
    const body = await json(`${path}?wait=25`);
    if (is(body)) return body;
  }
}

test("a job with files, on the machine's engine", async () => {
  const { build_id } = await post("/image", {
    name: "test",
    dockerfile: 'FROM busybox\nCMD ["echo", "hello world"]\n',
  });
  const built = await until(`/image/build/${build_id}`, ({ state }) => state !== "PENDING");
  expect(built).toMatchObject({ state: "SUCCESS", id: 1 });
  await post("/pipeline", { name: "p" });
  const body = new FormData();
  body.append("attachments", new Blob(["from the inbox\n"]), "file1");
  body.append("image_id", "1");
  body.append("command", "cat /inbox/file1 > /outbox/out; cat /outbox/out");
  expect(await json("/pipeline/1/job", { method: "POST", body })).toEqual({ id: 1 });
  expect(await post("/pipeline/1/job", { image_id: "1" })).toEqual({ id: 2 });
  expect(await post("/pipeline/1/submit")).toEqual({ 1: "in_queue", 2: "in_queue" });
  const ended = (id: number) =>
    until(`/pipeline/1/job/${id}`, (jobs) =>
      ["done", "failed"].includes((jobs[id] as { state: string }).state),
    );
  expect((await ended(1))[1]).toMatchObject({ state: "done", response: 0, reason: "Completed" });
  expect((await ended(2))[2]).toMatchObject({ state: "done", response: 0 });
  expect(await json("/execution/1/logs")).toMatchObject([{ job: 1, logline: "from the inbox" }]);
  expect(await json("/execution/2/logs")).toMatchObject([{ job: 2, logline: "hello world" }]);
  const zip = Buffer.from(await (await send("/pipeline/1/job/1?result")).arrayBuffer());
  expect(zip.subarray(0, 4).toString("latin1")).toBe("PK\x03\x04");
  expect(zip.includes("out")).toBe(true);
});

test("a build with attachments on an own image, without cache, and one whose step fails", async () => {
  const build = async (fields: Record<string, string>, files: Record<string, string> = {}) => {
    const body = new FormData();
    for (const [path, text] of Object.entries(files)) body.append("attachments", new Blob([text]), path);
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    const { build_id } = await json("/image", { method: "POST", body });
    return until(`/image/build/${build_id}`, ({ state }) => state !== "PENDING");
  };
  const streams = ({ output }: Body) => (output as { stream?: string }[]).map(({ stream }) => stream);
  const unknown = await build({ name: "no", dockerfile: "FROM nowhere/to-be-found\n" });
  expect(unknown).toMatchObject({ state: "FAILED", error: "Build failed" });
  expect(JSON.stringify(unknown.output)).toContain("nowhere/to-be-found");
  const base = await build({ name: "tool", dockerfile: "FROM busybox\nRUN echo of the base > /base\n" });
  expect(base).toMatchObject({ state: "SUCCESS" });

  const dockerfile = "from tool\nCOPY d /d\nRUN cat /proc/sys/kernel/random/uuid > /made\n";
  const files = { "d/in": "attached", Dockerfile: "FROM the field goes first" };
  const made: string[] = [];
  for (const nocache of ["false", "false", "True"]) {
    const built = await build({ name: "on it", dockerfile, nocache }, files);
    expect(built).toMatchObject({ state: "SUCCESS", id: expect.any(Number) });
    const lines = streams(built);
    expect(lines[0]).toBe("Step 1/3 : from tool\n");
    expect(lines).toContain("Step 2/3 : COPY d /d\n");
    expect(lines.at(-1)).toMatch(/^Successfully built [0-9a-f]{12}\n$/);
    made.push(lines.at(-1)!);
    const { id: pipeline } = (await post("/pipeline", { name: "p" })) as { id: number };
    const { id: job } = (await post(`/pipeline/${pipeline}/job`, {
      image_id: String(built.id),
      command: "cat /base /d/in",
    })) as { id: number };
    await post(`/pipeline/${pipeline}/submit`);
    await until(`/pipeline/${pipeline}/job/${job}`, (jobs) => (jobs[job] as Body).state === "done");
    const rows = (await json(`/execution/${job}/logs`)) as unknown as { logline: string }[];
    expect(rows.map(({ logline }) => logline)).toEqual(["of the base", "attached"]);
  }
  expect(made[1]).toBe(made[0]);
  expect(made[2]).not.toBe(made[0]);

  const failed = await build({
    name: "bad",
    dockerfile: "FROM busybox\nRUN echo said; echo wrong >&2; exit 3\n",
  });
  expect(failed).toMatchObject({ state: "FAILED", error: "Build failed" });
  const text = "The command '/bin/sh -c echo said; echo wrong >&2; exit 3' returned a non-zero code: 3";
  // errors in red, as the engine tells them
  for (const word of ["said", "wrong"]) expect(streams(failed).join("")).toMatch(new RegExp(`${word}\n`));
  expect((failed.output as object[]).at(-1)).toEqual({ error: text, errorDetail: { message: text } });
  expect(streams(failed).filter((stream) => stream?.includes("non-zero"))).toEqual([]);
}, 300_000);
