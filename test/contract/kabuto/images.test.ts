import { expect, test } from "vitest";
import { image, me, other, target } from "./support/session.ts";
import { built, ended, job, pipeline } from "./support/work.ts";

/** Section 3: images that are replaced, built on, and sent in other ways. */
const dockerfileThatSays = (text: string) => `FROM ${target.base}\nCMD ["echo", "${text}"]\n`;

async function buildOf(answer: { build_id: string }) {
  return me.until(`/image/build/${answer.build_id}`, ({ state }) => state !== "PENDING");
}

async function whatItSays(id: number): Promise<string[]> {
  const of = await pipeline(me);
  const run = await job(me, of, { image_id: String(id) });
  await me.post(`${of}/submit`);
  expect(await ended(me, of, run)).toMatchObject({ state: "done", response: 0 });
  const rows = (await me.get(`/execution/${run}/logs`)) as { logline: string }[];
  return rows.map(({ logline }) => logline);
}

test("PUT replaces name and content where its build succeeds, and nothing where it fails", async () => {
  const { id } = await built(me, { name: "before", dockerfile: dockerfileThatSays("one") });
  const path = `/image/${id}`;
  const broken = await me.put(path, { name: "never", dockerfile: `FROM ${target.base}\nRUN exit 4\n` });
  expect(broken).toEqual({ status: "Your image is being built", build_id: expect.any(String) });
  expect(await buildOf(broken)).toMatchObject({ state: "FAILED", error: "Build failed" });
  expect((await me.get(path))[id].name).toBe("before");
  expect(await whatItSays(id)).toEqual(["one"]);
  const dockerfile = dockerfileThatSays("two");
  const answer = await me.put(path, { name: "after", dockerfile });
  expect(await buildOf(answer)).toMatchObject({ state: "SUCCESS", id });
  expect((await me.get(path))[id]).toMatchObject({ id, name: "after", dockerfile });
  expect(await whatItSays(id)).toEqual(["two"]);
  await me.delete(path);
});

test("an own image is a base by its name; another user's is not", async () => {
  const name = `${target.run}-base`;
  const base = await built(me, { name, dockerfile: `FROM ${target.base}\nRUN echo mine > /mine\n` });
  const onIt = await built(me, { name: "on it", dockerfile: `FROM ${name}\nCMD ["cat", "/mine"]\n` });
  expect(onIt).toMatchObject({ state: "SUCCESS" });
  expect(await whatItSays(onIt.id)).toEqual(["mine"]);
  expect(await built(other, { dockerfile: `FROM ${name}\n` })).toMatchObject({ state: "FAILED" });
  for (const { id } of [onIt, base]) await me.delete(`/image/${id}`);
});

test("nocache runs each step again, in any letter case; else the engine's cache is used", async () => {
  const dockerfile = `FROM ${target.base}\nRUN cat /proc/sys/kernel/random/uuid > /${target.run}\nCMD ["cat", "/${target.run}"]\n`;
  const said: string[] = [];
  const ids: number[] = [];
  for (const nocache of ["", "false", "TRUE"]) {
    const { id } = await built(me, { name: "cached", dockerfile, nocache });
    ids.push(id);
    said.push((await whatItSays(id))[0]!);
  }
  expect(said[1]).toBe(said[0]);
  expect(said[2]).not.toBe(said[0]);
  for (const id of ids) await me.delete(`/image/${id}`);
});

test("a file part named dockerfile is that field's text", async () => {
  const body = new FormData();
  const dockerfile = dockerfileThatSays("from a file");
  body.append("dockerfile", new Blob([dockerfile]), "some_docker_file");
  body.append("name", "as a file");
  const { json } = await me.send("POST", "/image", { body });
  const build = await buildOf(json);
  expect(build).toMatchObject({ state: "SUCCESS" });
  expect((await me.get(`/image/${build.id}`))[build.id].dockerfile).toBe(dockerfile);
  expect(await whatItSays(build.id)).toEqual(["from a file"]);
  await me.delete(`/image/${build.id}`);
});

test("Perigee-Edge names the edge of a pipeline; one that is not granted makes none", async () => {
  const body = new URLSearchParams({ name: "elsewhere" });
  const headers = { "perigee-edge": `${target.run}-no-edge` };
  const before = Object.keys(await me.get("/pipeline"));
  const answer = await me.send("POST", "/pipeline", { body, headers });
  expect([answer.status, answer.json]).toEqual([200, { error: "No edge is granted to you" }]);
  const since = Object.keys(await me.get("/pipeline")).filter((id) => !before.includes(id));
  for (const id of since) expect((await me.get(`/pipeline/${id}`))[id].name).not.toBe("elsewhere");
});

test("1,000 files are taken, 1,001 are 413", async () => {
  const of = await pipeline(me);
  const files = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`d${n % 7}/f${n}`, ""]));
  const refused = await me.upload(`${of}/job`, { image_id: String(image) }, files);
  expect(refused).toEqual({ status: 413, message: "Request Entity Too Large" });
  expect(await me.get(`${of}/job`)).toEqual({});
  delete files["d0/f0"];
  expect(await me.upload(`${of}/job`, { image_id: String(image) }, files)).toEqual({
    id: expect.any(Number),
  });
  await me.delete(of);
});
