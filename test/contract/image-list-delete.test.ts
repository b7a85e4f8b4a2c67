import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData, expectInvalid, expectOk, expectRefusal, UTC_SECONDS } from "./support/expectations.ts";
import { build, ownImages } from "./support/images.ts";
import { outputOf, run, UNTIL_TERM, until, untilRunning } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

const DELETED = { message: "Docker Image deleted successfully" };
let client: Client;

beforeAll(async () => {
  client = await user();
});

const remove = (image: string, of = client) => of.form("/em/pod/image/delete", { image });

describe("the list", () => {
  it("has the user's own images, without the prefix, and no public ones", async () => {
    const image = named("i-list");
    await build(client, image, "LABEL a=b");
    const data = expectData(
      await client.get("/em/pod/image/list"),
      "Successfully loaded list of docker images",
    );
    const one = data.find(({ name }: { name: string }) => name === image);
    expect(Object.keys(one)).toEqual(["name", "tag", "id", "size", "created"]);
    expect(one).toEqual({
      name: image,
      tag: "latest",
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      size: expect.any(Number),
      created: expect.stringMatching(UTC_SECONDS),
    });
    const names = data.map(({ name, tag }: { name: string; tag: string }) => `${name}:${tag}`);
    expect(names).not.toContain(target.image);
    expect([...(await ownImages(await other())).keys()]).not.toContain(image);
  });
});

describe("deleting", () => {
  it("takes the image away, and it is not found any more", async () => {
    const image = named("i-del");
    await build(client, image, "CMD echo here");
    expect(await outputOf(client, image, { image })).toBe("here\n");
    expectOk(await remove(image), DELETED);
    expect([...(await ownImages(client)).keys()]).not.toContain(image);
    await run(client, image, { image });
    await until(client, image, (state) => state.waiting?.reason === "ImagePullBackOff");
    await client.form("/em/pod/stop", { pod_name: image });
    expectRefusal(await remove(image), 404, "IMAGE_NOT_FOUND");
  });

  it("takes only the tag that is named", async () => {
    const image = named("i-tags");
    await build(client, image, "CMD echo a");
    await build(client, `${image}:b`, "CMD echo b");
    expectOk(await remove(`${image}:b`), DELETED);
    expect(await outputOf(client, image, { image })).toBe("a\n");
  });

  it("is 404 for what is unknown, public or another user's", async () => {
    const image = named("i-mine");
    await build(client, image, "CMD echo mine");
    expectRefusal(await remove(named("i-none")), 404, "IMAGE_NOT_FOUND");
    if (!/[./].*\//.test(target.image)) expectRefusal(await remove(target.image), 404, "IMAGE_NOT_FOUND");
    const theirs = await other();
    expectRefusal(await remove(image, theirs), 404, "IMAGE_NOT_FOUND");
    expectRefusal(await remove(`${target.user.name}-${image}`, theirs), 404, "IMAGE_NOT_FOUND");
    expect(await outputOf(client, image, { image })).toBe("mine\n");
  });

  it("is 409 while a pod that has not terminated runs it, or is to run it", async () => {
    const image = named("i-used");
    await build(client, image, "LABEL used=1");
    await run(client, image, { image, command: UNTIL_TERM });
    await untilRunning(client, image);
    expectRefusal(await remove(image), 409, "IMAGE_IN_USE");
    await client.form("/em/pod/stop", { pod_name: image });
    const later = named("i-later");
    await run(client, later, { image, scheduled_time: new Date(Date.now() + 3600_000).toISOString() });
    expectRefusal(await remove(image), 409, "IMAGE_IN_USE");
    await client.form("/em/pod/stop", { pod_name: later });
    expectOk(await remove(image), DELETED);
  });

  it("needs a name, and a right one", async () => {
    expectInvalid(await client.form("/em/pod/image/delete", {}), "image");
    expectInvalid(await remove("Not/Right"), "image");
  });
});
