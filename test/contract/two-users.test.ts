import { beforeAll, describe, expect, it } from "vitest";
import type { Answer, Client } from "./support/client.ts";
import { build, ownImages } from "./support/images.ts";
import { list, paths } from "./support/listing.ts";
import { fileOf, run, stateOf, UNTIL_TERM, untilRunning } from "./support/pods.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, other, target, user } from "./support/session.ts";

/** What the first user has; the second knows its name, and that of the user. */
const name = named("mine");
const unknown = named("none");
let mine: Client;
let theirs: Client;

beforeAll(async () => {
  mine = await user();
  theirs = await other();
  const files = { [name]: "secret", [`${name}.tar`]: "secret" };
  expect((await mine.uplink(files, { pod_name: name })).status).toBe(200);
  await build(mine, name, "CMD echo secret");
  await run(mine, name, { command: `echo secret; ${UNTIL_TERM}` });
  await untilRunning(mine, name);
  return async () => void (await mine.form("/em/pod/stop", { pod_name: name }));
});

/** An answer without what names the thing asked for and the moment. */
const shape = (answer: Answer, asked: string) => ({
  status: answer.status,
  text: answer.text.replaceAll(asked, "NAME").replace(/"\d{4}-\d\d-\d\d[T-][^"]*"/g, '"TIME"'),
});

describe("to the second user the first one's things are as if they were not", () => {
  // uplink and run make things of the second user's own: they come below
  const asking = EM_ROUTES.filter(({ path }) => !/uplink|pod\/run|edge/.test(path));

  it.each(asking.map((route) => [route.path, route] as const))("%s", async (_path, route) => {
    const there = await route.call(theirs, name);
    const nowhere = await route.call(theirs, unknown);
    expect(shape(there, name)).toEqual(shape(nowhere, unknown));
    expect(there.text).not.toContain("secret");
  });

  it("uplink and run under the same names are the second user's own", async () => {
    await theirs.uplink({ [name]: "theirs" }, { pod_name: name });
    await run(theirs, name, { command: "echo theirs; ls /data" });
    expect((await fileOf(theirs, name, name)).toString()).toBe("theirs");
    expect((await fileOf(mine, name, name)).toString()).toBe("secret");
    expect(await stateOf(mine, name)).toHaveProperty("running");
    expect((await theirs.form("/em/pod/stop", { pod_name: name })).status).toBe(200);
    expect((await theirs.form("/em/pvc/delete", { pvc_name: name })).status).toBe(200);
  });

  it.each(["build", "load"])("an image of that name by %s is the second user's own", async (way) => {
    const before = (await ownImages(mine)).get(name);
    if (way === "build") {
      await build(theirs, name, "CMD echo theirs");
      expect((await ownImages(theirs)).get(name)?.id).not.toBe(before?.id);
      expect((await theirs.form("/em/pod/image/delete", { image: name })).status).toBe(200);
    } else {
      await theirs.form("/em/pod/image/load", { tarfile: "x.tar", image: name, pod_name: name });
    }
    expect((await ownImages(mine)).get(name)).toEqual(before);
    expect([...(await ownImages(theirs)).keys()]).not.toContain(name);
  });

  it("names that play with the other user's prefix lead nowhere", async () => {
    for (const image of [`${target.user.name}-${name}`, `${target.user.name}/${name}`]) {
      const gone = await theirs.form("/em/pod/image/delete", { image });
      expect([gone.status, gone.json.error]).toEqual([404, "IMAGE_NOT_FOUND"]);
    }
    for (const pod_name of [`${target.user.name}-${name}`]) {
      expect(await list(theirs, pod_name)).toEqual([]);
    }
    const up = [`../${target.user.name}/${name}/${name}`, `../../${target.user.name}/${name}/${name}`];
    for (const filepath of up) {
      const answer = await theirs.get("/em/files/downlink", { filepath, pod_name: name });
      expect([answer.status, answer.json.error]).toEqual([403, "ILLEGAL_PATH"]);
    }
  });

  it("and after all of it the first user's things are as they were", async () => {
    expect(await paths(mine, name)).toEqual([name, `${name}.tar`]);
    expect(await stateOf(mine, name)).toHaveProperty("running");
    expect([...(await ownImages(mine)).keys()]).toContain(name);
    const { text } = await mine.get("/em/pod/logs", { pod_name: name });
    expect(text).toBe("secret\nup\n");
  });
});
