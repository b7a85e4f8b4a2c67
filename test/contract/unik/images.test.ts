import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { filesOf, tarOf } from "./support/archive.ts";
import { me, named, other, QUERY, run, said, scripted, target } from "./support/session.ts";

const DOCKERFILE = "FROM busybox\n";
const create = async (name: string, query = QUERY, archive?: Uint8Array) =>
  me.upload(
    `/images/${encodeURIComponent(name)}/create?${query}`,
    archive ?? (await filesOf({ Dockerfile: DOCKERFILE })),
  );

describe.concurrent("create", () => {
  test("answers with the image, which is then listed the same", async () => {
    const name = named("images", "my image");
    const answer = await create(name, `${QUERY}&mounts=/data/,/logs`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([201, "application/json"]);
    expect(answer.json).toEqual({
      Id: name,
      Name: name,
      SizeMb: expect.any(Number),
      Infrastructure: "DOCKER",
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      StageSpec: { ImageFormat: "folder" },
      RunSpec: {
        DeviceMappings: [
          { MountPoint: "/", DeviceName: "root" },
          { MountPoint: "/data", DeviceName: "vol0" },
          { MountPoint: "/logs", DeviceName: "vol1" },
        ],
        DefaultInstanceMemory: 512,
        MinInstanceDiskMB: answer.json.SizeMb,
        VsphereNetworkType: "",
        Compiler: "docker-native-docker",
      },
    });
    expect((await me.get(`/images/${encodeURIComponent(name)}`)).json).toEqual(answer.json);
    expect((await me.get("/images")).json).toContainEqual(answer.json);
    expect((await create(name)).text).toBe(
      `an image already exists with name '${name}', try again with --force`,
    );
    expect(await me.delete(`/images/${encodeURIComponent(name)}`)).toMatchObject({ status: 204, text: "" });
    expect((await me.get("/images")).json).not.toContainEqual(answer.json);
  });

  test("takes its parameters from the form too, after the file, and the form wins", async () => {
    const name = named("images", "form");
    const fields = { provider: "docker", base: "docker", lang: "native", args: "echo hello" };
    const archive = await filesOf({ Dockerfile: DOCKERFILE });
    const answer = await me.upload(`/images/${name}/create?args=false`, archive, fields);
    expect(answer.status).toBe(201);
    expect(await said((await me.post("/instances/run", { ImageName: name })).json.Id)).toBe("hello\n");
  });

  test.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ])("knows %s by its first bytes", async (_, pack) => {
    const archive = pack(await filesOf({ "./Dockerfile": DOCKERFILE }));
    expect((await create(named("images", "packed"), QUERY, archive)).status).toBe(201);
  });

  test("keeps execute bits and links inside; leaves out what leads out, and says so in the log", async () => {
    const archive = await tarOf([
      { name: "Dockerfile", content: "FROM busybox\nCOPY . /x\nRUN ls /x; /x/tool; cat /x/inner; exit 9\n" },
      { name: "tool", mode: 0o4755, content: "#!/bin/sh\necho ran" },
      { name: "inner", type: "symlink", linkname: "tool" },
      { name: "passwd", type: "symlink", linkname: "/etc/passwd" },
      { name: "up", type: "symlink", linkname: "../../up" },
      { name: "pipe", type: "fifo" },
    ]);
    const { status, text, headers } = await create(named("images", "links"), QUERY, archive);
    expect([status, text]).toEqual([422, expect.stringMatching(/^compilation failed: /)]);
    expect(text).toContain("\nran\n");
    for (const name of ["passwd", "up", "pipe"]) {
      expect(text).toMatch(new RegExp(`\\b${name}\\b`));
      expect(text).not.toContain(`\n${name}\n`);
    }
    const path = `${target.ground}/commands/${headers.get("perigee-command")}/log`;
    const body = new URLSearchParams({ username: target.user.name, password: target.user.password });
    const auth = await fetch(`${target.ground}/auth/`, { method: "POST", body });
    const { access } = (await auth.json()) as { access: string };
    // its last rows may come after its end
    const log = async () => {
      const answer = await fetch(path, { headers: { authorization: `Bearer ${access}` } });
      return (await answer.json()) as { data: { complete: boolean } };
    };
    while (!(await log()).data.complete) await sleep(100);
    expect(JSON.stringify(await log())).toContain('"ran"');
    const asText = { headers: { authorization: `Bearer ${access}`, accept: "text/plain" } };
    const plain = await (await fetch(`${path}?follow=true`, asText)).text();
    expect(plain.split("\n")).toContain("ran");
  });

  test.each(["/etc/x", "../x", "a/../../x"])("an entry called %s is refused", async (name) => {
    const archive = await tarOf([
      { name: "Dockerfile", content: DOCKERFILE },
      { name, content: "x" },
    ]);
    const answer = await create(named("images", "bad"), QUERY, archive);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(`illegal path '${name}'`)]);
  });

  test.each<[string, string, RegExp]>([
    ["a.", QUERY, /a name begins/],
    ["create", QUERY, /may not be called create/],
    ["a", "", /^must provide 'provider' parameter$/],
    ["a", "provider=docker", /^must provide 'base' parameter$/],
    ["a", "provider=docker&base=docker", /^must provide 'lang' parameter$/],
    ["a", "provider=xen&base=docker&lang=go", /^xen is not a known provider\. Available: /],
    ["a", `${QUERY}&mounts=/`, /must not be \//],
    ["a", `${QUERY}&mounts=/proc/x`, /must not lie in/],
    ["a", `${QUERY}&mounts=/a,/a/`, /twice/],
    ["a", `${QUERY}&mounts=/1,/2,/3,/4,/5,/6,/7,/8,/9`, /8/],
  ])("%s?%s is 400", async (name, query, text) => {
    const answer = await create(name, query);
    expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(text)]);
  });

  test("no form, no file, and no sources are 400", async () => {
    const name = named("images", "none");
    expect(await me.post(`/images/${name}/create?${QUERY}`)).toMatchObject({
      status: 400,
      text: "must be a multipart form",
    });
    const body = new FormData();
    body.append("args", "x");
    expect((await me.send("POST", `/images/${name}/create?${QUERY}`, { body })).status).toBe(400);
    expect((await create(name, QUERY, Buffer.from("this is no archive"))).status).toBe(400);
    expect((await me.get(`/images/${name}`)).status).toBe(404);
  });

  test("a Dockerfile stands on an image of the user's, by its name, and on nobody else's", async () => {
    const base = named("images", "base");
    const over = await filesOf({ Dockerfile: `FROM ${base}\nCMD ["cat", "/x"]\n` });
    await create(base, QUERY, await filesOf({ Dockerfile: "FROM busybox\nRUN echo under > /x\n" }));
    const name = named("images", "over");
    expect((await create(name, QUERY, over)).status).toBe(201);
    expect(await said((await me.post("/instances/run", { ImageName: name })).json.Id)).toBe("under\n");
    const foreign = await other.upload(`/images/${name}/create?${QUERY}`, over);
    expect([foreign.status, foreign.text]).toEqual([422, expect.stringMatching(/^compilation failed: /)]);
  });

  test("force: a build that fails leaves all as it was; one that works takes the place and its instances", async () => {
    const name = await scripted();
    const { Id } = (await run(name, "sleep 1000")).json;
    const bad = await create(
      name,
      `${QUERY}&force=true`,
      await filesOf({ Dockerfile: "FROM busybox\nRUN false\n" }),
    );
    expect(bad.status).toBe(422);
    expect((await me.get(`/instances/${Id}`)).json.State).toBe("running");
    const good = await create(name, `${QUERY}&force=TRUE`);
    expect(good.status).toBe(201);
    expect((await me.get(`/instances/${Id}`)).status).toBe(404);
    expect((await me.get(`/images/${name}`)).json).toEqual(good.json);
  });
});

test("an image called push is made, not pushed", async () => {
  const answer = await create("push");
  expect([answer.status, answer.json.Name]).toEqual([201, "push"]);
  expect((await me.delete("/images/push")).status).toBe(204);
});

test("delete: instances of it, stopped ones too, keep an image; force takes them along", async () => {
  const name = await scripted();
  const { Id, Name } = (await run(name, "true")).json;
  await said(Id);
  expect(await me.delete(`/images/${name}`)).toMatchObject({
    status: 409,
    text: `instance ${Name} found which uses image ${name}; try again with force=true`,
  });
  expect(await me.delete(`/images/${name}?force=true`)).toMatchObject({ status: 204, text: "" });
  expect((await me.get(`/instances/${Id}`)).status).toBe(404);
  expect((await me.delete(`/images/${name}`)).status).toBe(404);
});
