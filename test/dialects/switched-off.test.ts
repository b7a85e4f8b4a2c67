import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTinyGround, type TinyGround } from "./support/tiny-ground.ts";
import { tiny } from "./tiny/dialect.ts";

let ground: TinyGround;
beforeAll(async () => {
  ground = await startTinyGround({ dialects: [tiny] });
});
afterAll(() => ground.stop());

type Answer = { responses: Record<string, { links?: object }> };

test("without the EM its paths are none, and Perigee's own API goes on in its lane", async () => {
  const headers = { authorization: `Bearer ${await ground.token("ada")}` };
  const answer = await fetch(`${ground.url}/em/nodes/status`, { headers });
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ error: "NOT_FOUND" });
  expect((await fetch(`${ground.url}/commands`, { headers })).status).toBe(200);
  const file = { path: "empty", size: 0, checksum: "ef46db3751d8e999" };
  const opened = await fetch(`${ground.url}/uplinks`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ files: [file] }),
  });
  expect(opened.status).toBe(201);
});

test("the document has the routes of the dialects that are on, and no link to others", async () => {
  const document = (await (await fetch(`${ground.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Answer>>;
  };
  expect(Object.keys(document.paths).filter((path) => path.startsWith("/em/"))).toEqual([]);
  expect(document.paths).toHaveProperty("/uplinks");
  expect(document.paths["/tiny/jobs"]!.post!.responses["201"]).not.toHaveProperty("links");
  expect(document.paths["/edge"]!.get!.responses["200"]).not.toHaveProperty("links");
});

test.each([
  [{ PERIGEE_DIALECTS: "em,emm" }, 'PERIGEE_DIALECTS: there is no dialect "emm", only em, kabuto, poseidon'],
  [{ PERIGEE_PORT: "http" }, 'PERIGEE_PORT: "http" is no whole number from 0 (any free port) to 65535'],
])("the wrong setting %j stops the server's start, and says so in one line", async (setting, line) => {
  const entry = join(resolve(import.meta.dirname, "../.."), "lambdas/entries/server.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry], {
    env: { ...process.env, PERIGEE_DATA: ground.data, PERIGEE_PORT: "0", ...setting },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((end) => child.once("close", end));
  expect(await text(child.stderr)).toBe(`${line}\n`);
  expect(await ended).toBe(1);
});
