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
