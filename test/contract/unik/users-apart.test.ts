import { expect, test } from "vitest";
import { me, named, other, run, SERVER, scripted } from "./support/session.ts";

test("nobody sees, changes or learns of what is another's", async () => {
  const image = await scripted();
  const volume = named("volumes");
  await me.send("POST", `/volumes/${volume}?provider=docker&size=1`);
  const { Id, Name } = (await run(image, SERVER)).json;
  const paths: [string, string, string][] = [
    ["GET", `/images/${image}`, `image ${image} not found`],
    ["DELETE", `/images/${image}?force=true`, `image ${image} not found`],
    ["GET", `/volumes/${volume}`, `volume ${volume} not found`],
    ["DELETE", `/volumes/${volume}?force=true`, `volume ${volume} not found`],
    ["POST", `/volumes/${volume}/detach`, `volume ${volume} not found`],
    ...[Id, Name].flatMap((one): [string, string, string][] => [
      ["GET", `/instances/${one}`, `instance ${one} not found`],
      ["GET", `/instances/${one}/logs`, `instance ${one} not found`],
      ["GET", `/instances/${one}/logs?follow=true&delete=true`, `instance ${one} not found`],
      ["POST", `/instances/${one}/stop`, `instance ${one} not found`],
      ["POST", `/instances/${one}/start`, `instance ${one} not found`],
      ["DELETE", `/instances/${one}?force=true`, `instance ${one} not found`],
    ]),
  ];
  for (const [method, path, text] of paths) {
    expect(await other.send(method, path)).toMatchObject({ status: 404, text });
  }
  expect((await other.post("/instances/run", { ImageName: image })).text).toBe(`image ${image} not found`);
  for (const path of ["/images", "/volumes", "/instances"]) {
    const { text } = await other.get(path);
    // other files make things for this user meanwhile
    for (const one of [image, volume, Id, Name]) expect(text).not.toContain(one);
  }
  expect((await me.get(`/instances/${Id}`)).json.State).toBe("running");
  // each has names of their own
  const made = await other.send("POST", `/volumes/${volume}?provider=docker&size=2`);
  expect([made.status, made.json.SizeMb]).toEqual([201, 2]);
  expect((await me.get(`/volumes/${volume}`)).json.SizeMb).toBe(1);
  expect((await other.delete(`/volumes/${volume}`)).status).toBe(204);
});
