import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeRepository } from "#test/support/mercurial.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
beforeAll(async () => {
  ground = await startKabutoGround();
  agent = await ground.agent();
});
beforeEach(async () => {
  me = await ground.user();
});
afterAll(() => ground.stop());

const FROM = "FROM busybox\n";

async function begin(fields: Record<string, string>, files: Record<string, string> = {}, path = "/image") {
  const answer = await me.upload(path, fields, files, path === "/image" ? "POST" : "PUT");
  expect(answer).toEqual({ status: "Your image is being built", build_id: expect.any(String) });
  return `/image/build/${answer.build_id}`;
}

describe("what is built", () => {
  test.each([
    ["true", true],
    ["TRUE", true],
    ["True", true],
    ["1", undefined],
    ["yes", undefined],
    ["", undefined],
  ])("nocache=%s", async (nocache, noCache) => {
    await begin({ name: "a", dockerfile: FROM, nocache });
    const [command] = await agent.work();
    expect((command!.input as { noCache?: boolean }).noCache).toBe(noCache);
  });

  test("a dockerfile takes the place of an attached one, also when it comes as a file", async () => {
    const body = new FormData();
    body.append("attachments", new Blob(["attached"]), "Dockerfile");
    body.append("attachments", new Blob(["other"]), "d/é 😀");
    body.append("dockerfile", new Blob([FROM]), "anything");
    body.append("name", "a");
    await me.send("/image", { method: "POST", body });
    const [command] = await agent.claim();
    expect(await agent.files(command!)).toEqual({ "d/é 😀": "other", Dockerfile: FROM });
    await agent.endBuild(command!, []);
    expect(await me.get("/image/1")).toMatchObject({ "1": { dockerfile: FROM } });
  });

  test("of images with one name the newest is a base, as it is at the request", async () => {
    const first = await me.image(agent, "base");
    const second = await me.image(agent, "base");
    const refs: string[] = [];
    const basesOf = async (): Promise<Record<string, { image: string }>> => {
      await begin({ name: "on it", dockerfile: "FROM base\n" });
      const [command] = await agent.claim();
      const { bases, image } = command!.input as { bases: Record<string, { image: string }>; image: string };
      await agent.endBuild(command!, []);
      refs.push(image);
      return bases;
    };
    const before = await basesOf();
    expect(Object.keys(before)).toEqual(["base:latest"]);
    await begin({ name: "base", dockerfile: FROM }, {}, `/image/${second}`);
    const [replacing] = await agent.claim();
    await agent.endBuild(replacing!, []);
    const { image: replaced } = replacing!.input as { image: string };
    expect((await basesOf())["base:latest"]).toEqual({ image: replaced });
    await me.delete(`/image/${second}`);
    await agent.work();
    const after = await basesOf();
    expect(after["base:latest"]).not.toEqual({ image: replaced });
    expect(after["base:latest"]).not.toEqual(before["base:latest"]);
    expect(first).toBeLessThan(second);
  });

  test("64 KiB of control characters are built and shown", async () => {
    const dockerfile = `# ${"\u0001".repeat(64 * 1024 - 2)}`;
    const build = await begin({ name: "a", dockerfile });
    await agent.work();
    expect(await me.get(build)).toMatchObject({ state: "SUCCESS", id: 1 });
    expect(await me.get("/image/1")).toMatchObject({ "1": { dockerfile } });
    const answer = await me.post("/image", { name: "a", dockerfile: `${dockerfile}x` });
    expect(answer).toEqual({ message: "[dockerfile]: must be at most 64 KiB" });
  });

  test("1,000 attachments, and no more", async () => {
    const files = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`d${n % 7}/file${n}`, String(n)]));
    await begin({ name: "a", dockerfile: FROM }, files(1_000));
    const [command] = await agent.claim();
    expect(Object.keys(await agent.files(command!))).toHaveLength(1_001);
    await agent.endBuild(command!, []);
    const answer = await me.upload("/image", { name: "a", dockerfile: FROM }, files(1_001));
    expect(answer).toEqual({ status: 413, message: "Request Entity Too Large" });
  });

  test.each(["/etc/passwd", "../up", "a/../../up", "a//b", "./a", "x".repeat(256)])(
    "a file cannot be called %s",
    async (name) => {
      const answer = await me.upload("/image", { name: "a", dockerfile: FROM }, { [name]: "x" });
      expect(answer).toEqual({ message: expect.stringMatching(/^\[attachments\]: /) });
      expect(await agent.claim()).toEqual([]);
    },
  );
});

describe("how a build ends", () => {
  const end = async (log: string[], failure?: { code: string; message: string; data?: object }) => {
    const build = await begin({ name: "a", dockerfile: FROM });
    const [command] = await agent.claim();
    await agent.endBuild(command!, log, failure);
    return me.get(build);
  };

  test("a failed step's words are its last object", async () => {
    const reason = "The command '/bin/sh -c exit 3' returned a non-zero code: 3";
    const failure = { code: "BUILD_FAILED", message: "Docker build failed", data: { reason } };
    expect(await end(["Step 1/2 : FROM busybox", "Step 2/2 : RUN exit 3", reason], failure)).toEqual({
      state: "FAILED",
      error: "Build failed",
      output: [
        { stream: "Step 1/2 : FROM busybox\n" },
        { stream: "Step 2/2 : RUN exit 3\n" },
        { error: reason, errorDetail: { message: reason } },
      ],
    });
  });

  test.each([
    ["ENGINE_UNAVAILABLE", "The engine\ndoes not answer", "The engine does not answer"],
    ["QUOTA_EXCEEDED", "over the quota", "over the quota"],
    ["STORAGE_FULL", "The disk is full", "The disk is full"],
    ["INTERRUPTED", "The edge lost its journal", "The edge lost its journal"],
    ["CANCELLED", "It was cancelled", "It was cancelled"],
  ])("%s is a failure in one line", async (code, message, output) => {
    expect(await end([], { code, message })).toEqual({
      state: "FAILURE",
      error: "Docker threw an error",
      output,
    });
  });

  test("over the deadline it has failed", async () => {
    const message = "over 30 minutes";
    expect(await end(["Step 1/1 : FROM busybox"], { code: "DEADLINE_EXCEEDED", message })).toMatchObject({
      state: "FAILED",
      output: [{ stream: "Step 1/1 : FROM busybox\n" }, { error: message }],
    });
  });

  test("a PUT image keeps its id and what it was until the build succeeds", async () => {
    const id = await me.image(agent, "old");
    const build = await begin({ name: "new", dockerfile: "FROM other" }, {}, `/image/${id}`);
    const [command] = await agent.claim();
    expect(await me.get(`/image/${id}`)).toMatchObject({ [id]: { name: "old", dockerfile: FROM } });
    await agent.endBuild(command!, [], { code: "BUILD_FAILED", message: "no" });
    expect(await me.get(`/image/${id}`)).toMatchObject({ [id]: { name: "old", dockerfile: FROM } });
    expect(await me.get(build)).toMatchObject({ state: "FAILED" });
    const again = await begin({ name: "new", dockerfile: "FROM other" }, {}, `/image/${id}`);
    await agent.work();
    expect(await me.get(again)).toMatchObject({ state: "SUCCESS", id });
    expect(await me.get(`${again}/${id}`)).toMatchObject({ state: "SUCCESS", id });
    expect(await me.get(`${again}/99`)).toEqual({ error: "could not find image with id 99" });
    expect(await me.get(`/image/${id}`)).toMatchObject({ [id]: { name: "new", dockerfile: "FROM other" } });
    expect(Object.keys(await me.get("/image"))).toEqual([String(id)]);
  });

  test("of an image that is deleted meanwhile says so, and its content goes", async () => {
    const id = await me.image(agent, "old");
    const build = await begin({ name: "new", dockerfile: FROM }, {}, `/image/${id}`);
    const [command] = await agent.claim();
    await me.delete(`/image/${id}`);
    await agent.endBuild(command!, []);
    expect(await me.get(build)).toMatchObject({
      state: "FAILURE",
      output: "The image was deleted while it was built",
    });
    expect(await me.get("/image")).toEqual({});
    const removals = await agent.work();
    expect(removals.map(({ operation }) => operation)).toContain("image.delete");
  });

  test("builds of all users run one at a time, in the order of their requests", async () => {
    const other = await ground.user();
    const ids: unknown[] = [];
    for (const user of [me, me, other, me]) {
      ids.push((await user.post("/image", { name: "a", dockerfile: FROM })).build_id);
    }
    const order: string[] = [];
    for (const _ of ids) {
      const [command, ...more] = await agent.claim();
      expect(more).toEqual([]);
      order.push(command!.id);
      await agent.endBuild(command!, []);
    }
    expect(order).toEqual(ids);
  });
});

describe("a repository", () => {
  const failed = (error: string) => ({ state: "FAILED", error, output: null });
  const endOf = async (client: KabutoClient, repo_url: string) => {
    const { build_id } = await client.post("/image", { name: "a", repo_url });
    return client.get(`/image/build/${build_id}`);
  };

  test("is not cloned where the operator lists none", async () => {
    expect(await endOf(me, "https://hg.example.com/a")).toEqual(
      failed("Could not clone repository: this ground clones none"),
    );
  });

  test("is cloned within the request, and built with what it holds alone", async () => {
    const repository = await makeRepository();
    const listing = await startKabutoGround({
      settings: { PERIGEE_KABUTO_REPOSITORIES: `${repository.url}/` },
    });
    try {
      const user = await listing.user();
      const builder = await listing.agent();
      expect(await endOf(user, "file:///etc")).toEqual(
        failed("Could not clone repository: only http and https are taken"),
      );
      await writeFile(join(repository.directory, "file"), "of the repository");
      await repository.commit();
      expect(await endOf(user, repository.url)).toEqual(failed("Repository has no file named 'Dockerfile'"));
      await writeFile(join(repository.directory, "Dockerfile"), FROM);
      await repository.commit();
      const fields = { name: "a", dockerfile: "FROM other", repo_url: `${repository.url}#tip` };
      const { build_id } = await user.upload("/image", fields, { attached: "x" });
      const [command] = await builder.claim();
      expect(await builder.files(command!)).toEqual({ Dockerfile: FROM, file: "of the repository" });
      await builder.endBuild(command!, []);
      expect(await user.get(`/image/build/${build_id}`)).toMatchObject({ state: "SUCCESS", id: 1 });
      expect(await user.get("/image/1")).toMatchObject({ "1": { dockerfile: FROM } });
    } finally {
      await listing.stop();
      await repository.stop();
    }
  }, 300_000);
});
