import { expect, test } from "vitest";
import { filesOf } from "./support/archive.ts";
import { me, named, nobody, other, QUERY, said, scripted, target } from "./support/session.ts";

type Entry = { image: { Name: string }; owner: string };

const listed = async (name: string) =>
  (await other.get("/hub/images")).json.filter(({ image }: Entry) => image.Name === name);
const pull = (name: string, query = "provider=docker", body: unknown = {}) =>
  other.post(`/images/pull/${name}?${query}`, body);

test.concurrent("what one user pushes another finds, pulls and runs; the rest stays his", async () => {
  const [name, kept] = await Promise.all([scripted(["/data"]), scripted()]);
  const image = (await me.get(`/images/${name}`)).json;
  expect(await me.post(`/images/push/${name}`, {})).toMatchObject({ status: 202, text: "" });
  const answer = await other.get("/hub/images");
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
  expect(answer.text).not.toContain('"image":null');
  expect(await listed(name)).toEqual([{ image, owner: target.user.name }]);
  expect(await listed(kept)).toEqual([]);
  expect(await pull(kept)).toMatchObject({ status: 404, text: `image ${kept} not found` });
  expect(await pull(name)).toMatchObject({ status: 202, text: "" });
  const pulled = (await other.get(`/images/${name}`)).json;
  const { RunSpec, StageSpec, Infrastructure } = image;
  expect(pulled).toMatchObject({ Id: name, Name: name, StageSpec, Infrastructure });
  expect(pulled.RunSpec.DeviceMappings).toEqual(RunSpec.DeviceMappings);
  const taken = `an image already exists with name '${name}', try again with --force`;
  expect(await pull(name)).toMatchObject({ status: 409, text: taken });

  // it is his own from now on, whatever becomes of the other
  expect((await me.post(`/images/remote-delete/${name}`)).status).toBe(202);
  expect((await me.delete(`/images/${name}`)).status).toBe(204);
  const volume = named("volumes");
  expect((await other.post(`/volumes/${volume}?provider=docker&size=1`)).status).toBe(201);
  const run = { ImageName: name, Mounts: { "/data": volume }, Env: { SCRIPT: "echo shared" } };
  const { Id } = (await other.post("/instances/run", run)).json;
  const log = (await other.get(`/instances/${Id}/logs?follow=true`)).text.replaceAll("\0", "");
  expect(log).toBe(`getting logs for ${Id}...\nshared\n`);
  expect((await other.delete(`/images/${name}?force=true`)).status).toBe(204);
  expect((await other.delete(`/volumes/${volume}`)).status).toBe(204);
});

test.concurrent("a later push takes the place of the one before, and a pull with force that of an image and its instances", async () => {
  const name = named("images", "version");
  const version = async (said: string) =>
    me.upload(
      `/images/${name}/create?${QUERY}&force=true`,
      await filesOf({ Dockerfile: `FROM busybox\nCMD ["echo", "${said}"]\n` }),
    );
  await version("one");
  await me.post(`/images/push/${name}`);
  await version("two");
  const { Id } = (await me.post("/instances/run", { ImageName: name })).json;
  expect((await me.post(`/images/pull/${name}?provider=docker&force=true`)).status).toBe(202);
  expect((await me.get(`/instances/${Id}`)).status).toBe(404);
  expect(await said((await me.post("/instances/run", { ImageName: name })).json.Id)).toBe("one\n");
  await version("three");
  await me.post(`/images/push/${name}`);
  expect(await listed(name)).toHaveLength(1);
  expect((await me.post(`/images/pull/${name}?provider=docker&force=true`)).status).toBe(202);
  expect(await said((await me.post("/instances/run", { ImageName: name })).json.Id)).toBe("three\n");
  expect((await me.post(`/images/remote-delete/${name}`)).status).toBe(202);
  expect((await me.post(`/images/remote-delete/${name}`)).status).toBe(404);
  expect(await listed(name)).toEqual([]);
});

test.concurrent("hubs are this ground's, spelled as clients spell it, and log-ins are checked", async () => {
  const name = await scripted();
  const hub = { URL: `${target.url}/hub`, Username: target.other.name, Password: target.other.password };
  expect((await me.post(`/images/push/${name}`, hub)).status).toBe(202);
  expect((await listed(name)).map(({ owner }: Entry) => owner)).toEqual([target.other.name]);
  expect(await me.post(`/images/remote-delete/${name}`)).toMatchObject({ status: 404 });
  expect((await other.post(`/images/remote-delete/${name}`, { url: "", user: "", pass: "" })).status).toBe(
    202,
  );
  for (const URL of [
    "https://hub.example/unik/hub",
    "s3://bucket/prefix",
    "http://169.254.169.254/unik/hub",
  ]) {
    const text = `hub '${URL}' is not allowed on this ground`;
    expect(await me.post(`/images/push/${name}`, { URL })).toMatchObject({ status: 400, text });
  }
  expect(await me.post(`/images/push/${name}`, { ...hub, Password: "no" })).toMatchObject({
    status: 403,
    text: `hub refuses user '${target.other.name}'`,
  });
  expect((await nobody.get("/hub/images")).status).toBe(401);
});
