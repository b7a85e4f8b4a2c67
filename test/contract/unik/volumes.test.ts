import { describe, expect, test } from "vitest";
import { filesOf, tarOf } from "./support/archive.ts";
import { INFRASTRUCTURE, me, named, PROVIDER, run, said, scripted, target } from "./support/session.ts";

const path = (name: string, query = `${PROVIDER}&size=4`) => `/volumes/${encodeURIComponent(name)}?${query}`;

describe.concurrent("volumes", () => {
  test("without data: made, listed the same, deleted", async () => {
    const name = named("volumes", "my volume");
    const body = Buffer.from("type=fat");
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const made = await me.send("POST", path(name), { body, headers });
    expect([made.status, made.json]).toEqual([
      201,
      {
        Id: name,
        Name: name,
        SizeMb: 4,
        Attachment: "",
        Infrastructure: INFRASTRUCTURE,
        Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    ]);
    expect((await me.get(`/volumes/${encodeURIComponent(name)}`)).json).toEqual(made.json);
    expect((await me.get("/volumes")).json).toContainEqual(made.json);
    expect(await me.send("POST", path(name))).toMatchObject({
      status: 409,
      text: `volume ${name} already exists`,
    });
    expect(await me.post(`/volumes/${encodeURIComponent(name)}/detach`)).toMatchObject({
      status: 409,
      text: "volume has no attachment",
    });
    expect(await me.delete(`/volumes/${encodeURIComponent(name)}`)).toMatchObject({ status: 204, text: "" });
    expect((await me.get(`/volumes/${encodeURIComponent(name)}`)).status).toBe(404);
  });

  test("with data: an instance finds it, and force takes a volume from an instance that runs", async () => {
    const [name, image] = [named("volumes"), await scripted(["/data"])];
    const archive = await tarOf([
      { name: "./a/b.txt", content: "hello\n" },
      { name: "./tool", mode: 0o755, content: "#!/bin/sh\necho ran\n" },
      { name: "./out", type: "symlink", linkname: "/etc/passwd" },
    ]);
    const made = await me.upload(path(name, "no_cleanup=true"), archive, {
      provider: target.provider,
      raw: "false",
    });
    expect([made.status, made.json.SizeMb]).toEqual([201, 1]);
    const script = "cat /data/a/b.txt; /data/tool; ls /data; sleep 1000";
    const { Id, Name } = (await run(image, script, { Mounts: { "/data": name } })).json;
    expect(await me.delete(`/volumes/${name}`)).toMatchObject({
      status: 409,
      text: `volume ${name} is attached to instance ${Name}; try again with force=true`,
    });
    expect((await run(image, "true", { Mounts: { "/data": name } })).text).toBe(
      `volume ${name} is attached to instance ${Name}`,
    );
    expect(await me.delete(`/volumes/${name}?force=true`)).toMatchObject({ status: 204, text: "" });
    expect((await me.get(`/instances/${Id}`)).json.State).toMatch(/stopped|error/);
    expect(await said(Id)).toBe("hello\nran\na\ntool\n");
    expect(await me.post(`/instances/${Id}/start`)).toMatchObject({
      status: 409,
      text: "required mount point missing from input: /data",
    });
  });

  test("one that another API has removed is made by no start: its mount point is bare", async () => {
    const [name, image] = [named("volumes"), await scripted(["/data"])];
    await me.send("POST", path(name));
    const { Id } = (await run(image, "echo x > /data/x", { Mounts: { "/data": name } })).json;
    await said(Id);
    const { name: username, password } = target.user;
    const form = (fields: Record<string, string>) => ({ method: "POST", body: new URLSearchParams(fields) });
    const logIn = await fetch(`${target.ground}/auth/`, form({ username, password }));
    const { access } = (await logIn.json()) as { access: string };
    const headers = { authorization: `Bearer ${access}`, "perigee-edge": target.edge };
    const deleted = await fetch(`${target.ground}/em/pvc/delete`, { ...form({ pvc_name: name }), headers });
    expect([deleted.status, await deleted.text()]).toEqual([200, expect.any(String)]);
    const bare = { status: 409, text: "required mount point missing from input: /data" };
    expect(await me.post(`/instances/${Id}/start`)).toMatchObject(bare);
    // others' volumes are listed as the edge last told
    await expect.poll(async () => (await me.get(`/volumes/${name}`)).status, { timeout: 30_000 }).toBe(404);
    // one of the same name is another
    expect((await me.send("POST", path(name))).status).toBe(201);
    expect((await me.get(`/volumes/${name}`)).json.Attachment).toBe("");
    expect(await me.post(`/instances/${Id}/start`)).toMatchObject(bare);
  });

  test("an instance that writes beyond the size is stopped, and again when it is started as it was", async () => {
    const [name, image] = [named("volumes"), await scripted(["/data"])];
    expect((await me.send("POST", path(name, `${PROVIDER}&size=2`))).status).toBe(201);
    // two MiB are what it may hold
    const script =
      "trap 'exit 0' TERM; head -c 2097152 /dev/zero > /data/a; echo x >> /data/a; sleep 1000 & wait";
    const { Id } = (await run(image, script, { Mounts: { "/data": name } })).json;
    const evicted = { State: "error", Reason: "Evicted", ExitCode: 0 };
    await said(Id);
    expect((await me.get(`/instances/${Id}`)).json).toMatchObject(evicted);
    expect(await me.post(`/instances/${Id}/start`)).toMatchObject({ status: 200, text: "" });
    await said(Id);
    expect((await me.get(`/instances/${Id}`)).json).toMatchObject(evicted);
  });

  test("data that does not fit, and archives that lead out", async () => {
    const big = await tarOf([{ name: "x", content: "x".repeat(2 * 1024 * 1024) }]);
    const name = named("volumes");
    expect(await me.upload(path(name, `${PROVIDER}&size=1`), big)).toMatchObject({
      status: 400,
      text: "data does not fit into size",
    });
    const out = await me.upload(path(name), await filesOf({ "../x": "x" }));
    expect([out.status, out.text]).toEqual([400, expect.stringContaining("illegal path '../x'")]);
    expect((await me.get(`/volumes/${name}`)).status).toBe(404);
  });
});

test.each<[string, string, number]>([
  ["", "must provide 'provider' parameter", 400],
  ["provider=xen&size=1", "xen is not a known provider. Available: ", 400],
  [PROVIDER, "could not parse given size", 400],
  [`${PROVIDER}&size=0`, "could not parse given size", 400],
  [`${PROVIDER}&size=1.5`, "could not parse given size", 400],
  [`${PROVIDER}&size=1&raw=true`, "Raw volume was requested but no data provided", 400],
  [`${PROVIDER}&size=1&type=ntfs`, "ntfs", 400],
])("POST /volumes/x?%s: %s", async (query, text, status) => {
  const answer = await me.send("POST", path(named("volumes"), query));
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(text)]);
});

test("raw data is a disk, which a provider of directories has not", async () => {
  const answer = await me.upload(path(named("volumes"), `${PROVIDER}&raw=true`), Buffer.alloc(1024));
  expect(answer.status).toBe(501);
});
