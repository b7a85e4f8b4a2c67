import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { ociArchive, tarOf } from "#test/support/saved-archive.ts";
import { type Deployment, deploy, docker, type Lane } from "./support/deployment.ts";
import { expectOne, killedAt, newest, pointsOf } from "./support/killed-at.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await deploy(4, { ground: { PERIGEE_DIALECTS: "em,unik" } });
});
afterAll(() => deployment.close());

const MADE = [
  "images.made",
  "journal.before.commit",
  "journal.after.commit",
  "images.recorded",
  "images.tagged",
];

/** The user's images as the API tells them: `name:tag` → id. */
async function listed({ client }: Lane): Promise<Map<string, string>> {
  const answer = await client.get("/em/pod/image/list");
  expect(answer.status).toBe(200);
  return new Map(answer.json.data.map(({ name, tag, id }: Record<string, string>) => [`${name}:${tag}`, id]));
}

const isMark = (tag: string) => tag.startsWith("perigee-own-");

/** What the engine holds of the lane's user: names, without steps of builds and marks; "" is an image without one. */
async function inEngine({ user }: Lane): Promise<Map<string, string>> {
  const images = await docker.listImages();
  const own = images.filter(({ RepoTags, Labels }) => {
    const named = RepoTags?.some((tag) => tag.startsWith(`${user}-${unique}`));
    return named || Labels?.["test.faults"] === `${unique}-${user}`;
  });
  const named = (tags: string[] | null | undefined) => tags?.filter((tag) => !isMark(tag)) ?? [];
  return new Map(
    own.flatMap(({ Id, RepoTags }) => {
      const names = named(RepoTags);
      return (names.length > 0 ? names : [""]).map((tag): [string, string] => [tag, Id]);
    }),
  );
}

/** A moment after the answer, when what it left nameless has been cleaned away. */
const expectInEngine = (lane: Lane, images: Map<string, string>) =>
  vi.waitFor(async () => expect(await inEngine(lane)).toEqual(images), { timeout: 30_000 });

const unique = `t${process.pid}x${Date.now().toString(36)}`;

describe("the agent dies while it works on images, and is started again", () => {
  describe.concurrent("build", () => {
    const points = pointsOf("image.build", ["images.built", ...MADE], "everywhere");
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[0]!;
      const image = `${unique}built`;
      const context = join(lane.volume("default"), "context");
      mkdirSync(context, { recursive: true });
      // the same name each time, so that from the second on it replaces what was there
      writeFileSync(
        join(context, "Dockerfile"),
        `FROM busybox\nLABEL test.faults=${unique}-${lane.user}\nCOPY file /file\n`,
      );
      writeFileSync(join(context, "file"), point);
      const before = await newest(lane);
      const old = (await listed(lane)).get(`${image}:latest`);
      const fields = { dockerfile: "context/Dockerfile", context: "context", image };
      const answer = await killedAt(lane, point, () => lane.client.form("/em/pod/image/build", fields));
      expect(answer.json).toEqual({ message: "Docker Image built successfully" });
      const now = await listed(lane);
      expect([...now.keys()]).toEqual([`${image}:latest`]);
      const id = now.get(`${image}:latest`)!;
      expect(id).not.toBe(old);
      await expectInEngine(lane, new Map([[`${lane.user}-${image}:latest`, id]]));
      await expectOne(lane, "image.build", before);
    });
  });

  describe.concurrent("load", () => {
    const points = pointsOf("image.load", ["images.loaded", ...MADE], "handler");
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[1]!;
      const image = `${unique}loaded`;
      mkdirSync(lane.volume("default"), { recursive: true });
      writeFileSync(join(lane.volume("default"), "image.tar"), await archive(lane, image, point));
      const before = await newest(lane);
      const old = (await listed(lane)).get(`${image}:latest`);
      const answer = await killedAt(lane, point, () =>
        lane.client.form("/em/pod/image/load", { tarfile: "image.tar", image }),
      );
      expect(answer.json).toEqual({ message: "Tar file loaded successfully" });
      const now = await listed(lane);
      expect([...now.keys()]).toEqual([`${image}:latest`]);
      const id = now.get(`${image}:latest`)!;
      expect(id).not.toBe(old);
      await expectInEngine(lane, new Map([[`${lane.user}-${image}:latest`, id]]));
      expect((await docker.getImage(id).inspect()).RepoTags.filter(isMark)).toHaveLength(1);
      await expectOne(lane, "image.load", before);
    });
  });

  describe.concurrent("delete", () => {
    const points = pointsOf(
      "image.delete",
      ["journal.before.commit", "journal.after.commit", "images.forgotten", "images.untagged"],
      "handler",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[2]!;
      const image = `${unique}gone`;
      mkdirSync(lane.volume("default"), { recursive: true });
      writeFileSync(join(lane.volume("default"), "image.tar"), await archive(lane, image, point));
      const loaded = await lane.client.form("/em/pod/image/load", { tarfile: "image.tar", image });
      expect(loaded.status).toBe(200);
      const before = await newest(lane);
      const answer = await killedAt(lane, point, () => lane.client.form("/em/pod/image/delete", { image }));
      expect(answer.json).toEqual({ message: "Docker Image deleted successfully" });
      expect(await listed(lane)).toEqual(new Map());
      expect(await inEngine(lane)).toEqual(new Map());
      await expectOne(lane, "image.delete", before);
    });
  });

  describe.concurrent("hub", () => {
    // what makes an image is the same as in a build
    const PULL = ["images.loaded", "journal.after.commit", "images.replaces"];
    const deaths = [
      ...["images.saved", "images.gathered"].map((point) => ["push", "image.export", point] as const),
      ...pointsOf("image.import", PULL, "handler").map((point) => ["pull", "image.import", point] as const),
    ];
    const image = `${unique}shared`;

    test("an image is made and pushed", { concurrent: false }, async () => {
      const { client, user } = deployment.lanes[3]!;
      const dockerfile = `FROM busybox\nLABEL test.faults=${unique}-${user}\nRUN echo x > /file\n`;
      const body = new FormData();
      body.append(
        "tarfile",
        new Blob([Buffer.from(await tarOf([{ name: "Dockerfile", content: dockerfile }]))]),
        "x",
      );
      const path = `/unik/images/${image}/create?provider=docker&base=docker&lang=native`;
      expect(await client.request("POST", path, { body })).toMatchObject({ status: 201 });
      expect(await client.json(`/unik/images/push/${image}`, {})).toMatchObject({ status: 202 });
    });

    test.each(deaths)("%s: %s killed at %s", { concurrent: false }, async (verb, operation, point) => {
      const lane = deployment.lanes[3]!;
      const { client, user, agentData } = lane;
      const before = await newest(lane);
      const query = verb === "pull" ? "?provider=docker&force=true" : "";
      const answer = await killedAt(lane, point, () =>
        client.json(`/unik/images/${verb}/${image}${query}`, {}),
      );
      expect([answer.status, answer.text]).toEqual([202, ""]);
      // one entry, one image, and nothing else on the ground, on the edge's disk and in the engine
      const entry = { image: { Name: image }, owner: user };
      expect((await client.get("/unik/hub/images")).json).toMatchObject([entry]);
      expect((await client.get("/unik/images")).json).toMatchObject([{ Name: image }]);
      const isOurs = (path: string) =>
        /\/(?:hub|outgoing|\.incoming)\//.test(path) || path.includes(`/${user}/`);
      const left = () => [
        ...deployment.staged().map((path) => path.slice(deployment.data.length)),
        ...["outgoing", "volumes/.incoming"].flatMap((place) => filesBeneath(join(agentData, place))),
      ];
      // a moment after the answer, when the agent and the ground have cleaned up
      await vi.waitFor(
        () => {
          const ours = left().filter((path) => !path.includes("/logs/") && isOurs(path));
          expect(ours).toEqual([expect.stringMatching(/\/hub\/[^/]+\/[^/]+$/)]);
        },
        { timeout: 30_000 },
      );
      await vi.waitFor(
        async () =>
          expect([...(await inEngine(lane)).keys()]).toEqual([expect.stringMatching(`^${user}\\.unik-`)]),
        { timeout: 30_000 },
      );
      await expectOne(lane, operation, before);
    });
  });
});

/** An image of one small file, unlike any other. */
async function archive({ user }: Lane, image: string, content: string): Promise<Buffer> {
  const layer = await tarOf([{ name: "file", content: `${unique} ${user} ${image} ${content}` }]);
  const config = { Cmd: ["/file"], Labels: { "test.faults": `${unique}-${user}` } };
  return ociArchive({ tags: [`${image}:latest`], layers: [layer], config: { config } });
}
