import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { archiveOf, tarOf } from "#test/contract/support/archives.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";

/** Of a ground that has a lane of width 8 beside the EM's. */
const GROUND = join(import.meta.dirname, "support/many-ground.ts");

let deployment: Deployment;
let lane: Lane;
beforeAll(async () => {
  deployment = await deploy(1, { program: GROUND });
  lane = deployment.lanes[0]!;
});
afterAll(() => deployment.close());

type Asked = { operation: string; input: object };
type Seen = { command_id: string; state: string; attempts: number; operation: string };

const ask = (key: string, commands: Asked[]) => lane.client.json("/many", { key, commands });

async function submit(key: string, commands: Asked[]): Promise<string[]> {
  const answer = await ask(key, commands);
  expect(answer.status).toBe(202);
  return answer.json.ids;
}

/** The command, once it has ended. */
async function ended(id: string): Promise<Seen> {
  for (;;) {
    const { data } = (await lane.client.get(`/commands/${id}`, { wait: 20 })).json as { data: Seen };
    if (!["staging", "queued", "running"].includes(data.state)) return data;
  }
}

const allEnded = (ids: readonly string[]) => Promise.all(ids.map(ended));

/** Ids of the user's commands, newest first. */
async function known(): Promise<string[]> {
  const { data } = (await lane.client.get("/commands", { limit: 200 })).json as { data: Seen[] };
  return data.map(({ command_id }) => command_id);
}

const at = (volume: string, path: string) => join(lane.volume(volume), path);

/** `count` files to delete, in one volume or each in one of its own. */
function files(name: string, count: number, volumes: number): Asked[] {
  return Array.from({ length: count }, (_, i) => {
    const volume = `${name}${i % volumes}`;
    mkdirSync(lane.volume(volume), { recursive: true });
    writeFileSync(at(volume, `f${i}`), "x");
    return { operation: "file.delete", input: { volume, path: `f${i}` } };
  });
}

function expectGone(asked: readonly Asked[]): void {
  for (const { input } of asked) {
    const { volume, path } = input as { volume: string; path: string };
    expect(existsSync(at(volume, path))).toBe(false);
  }
  for (const place of [".incoming", ".trash"]) {
    expect(readdirSync(join(lane.agentData, "volumes", place))).toEqual([]);
  }
}

describe("the agent dies while many commands run", () => {
  const points = ["loop.claimed", "journal.after.commit", "journal.after.moved", "loop.before.report"];
  test.each(
    points.flatMap(
      (point) =>
        [
          [point, "of one volume", 1],
          [point, "of several", 6],
        ] as const,
    ),
  )("at %s, %s: each is done once", async (point, _, volumes) => {
    const asked = files(`a${points.indexOf(point)}-${volumes}-`, 6, volumes);
    lane.agent.arm(point);
    const ids = await submit(`agent ${point} ${volumes}`, asked);
    await lane.agent.death(point);
    // whoever does one of them again takes this away
    const again = asked.map(({ input }) => input as { volume: string; path: string });
    const gone = again.filter(({ volume, path }) => !existsSync(at(volume, path)));
    for (const { volume, path } of gone) writeFileSync(at(volume, path), "a pod's");
    await lane.agent.start();
    const all = await allEnded(ids);
    expect(all.map(({ state }) => state)).toEqual(all.map(() => "succeeded"));
    for (const { attempts } of all) expect(attempts).toBeLessThanOrEqual(2);
    for (const { volume, path } of gone) expect(readFileSync(at(volume, path), "utf8")).toBe("a pod's");
    expectGone(asked.filter(({ input }) => !gone.includes(input as (typeof gone)[number])));
  });
});

describe("the ground dies while many commands are submitted or claimed", () => {
  test.each([
    ["submissions.written", false],
    ["submissions.accepted", true],
    ["submissions.queued", true],
  ] as const)("at %s: all are done or none, each once", async (point, accepted) => {
    const asked = files(`g-${point.split(".")[1]}-`, 25, 3);
    const before = new Set(await known());
    deployment.ground.arm(point);
    const cut = ask(`ground ${point}`, asked);
    cut.catch(() => undefined);
    await deployment.ground.death(point);
    await expect(cut).rejects.toThrow();
    await deployment.ground.start();
    const added = async () => (await known()).filter((id) => !before.has(id));
    // nobody asks again: the agent's next claim completes what was accepted
    if (accepted) await expect.poll(async () => (await added()).length).toBe(25);
    else expect(await added()).toEqual([]);
    const ids = await submit(`ground ${point}`, asked);
    expect(ids).toHaveLength(25);
    expect([...ids].sort()).toEqual((await added()).sort());
    const all = await allEnded(ids);
    expect(all.map(({ state }) => state)).toEqual(all.map(() => "succeeded"));
    expectGone(asked);
  });

  test("at agent.claimed, several in one answer that is lost: each is done once", async () => {
    const asked = files("c", 8, 2);
    deployment.ground.arm("agent.claimed");
    const submitted = ask("claimed", asked);
    submitted.catch(() => undefined);
    await deployment.ground.death("agent.claimed");
    await deployment.ground.start();
    const all = await allEnded(await submit("claimed", asked));
    expect(all.map(({ state, attempts }) => [state, attempts])).toEqual(all.map(() => ["succeeded", 1]));
    expectGone(asked);
  });
});

describe("at the same time", () => {
  test("two uplinks and a delete of one volume: each is whole, and the last one stands", async () => {
    mkdirSync(lane.volume("both"), { recursive: true });
    for (let round = 0; round < 3; round++) {
      const content = (name: string) =>
        Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`d/f${i}`, name]));
      const uplink = (name: string) =>
        lane.client.uplink(content(name), { pod_name: "both" }, { headers: { prefer: "wait=60" } });
      const [one, two, [removed]] = await Promise.all([
        uplink("one"),
        uplink("two"),
        submit(`both ${round}`, [{ operation: "volume.remove", input: { volume: "both" } }]),
      ]);
      expect([one.status, two.status]).toEqual([200, 200]);
      const { state } = await ended(removed!);
      expect(["succeeded", "failed"]).toContain(state);
      // of one uplink all, or none where the volume went last
      const left = existsSync(at("both", "d")) ? readdirSync(at("both", "d")) : [];
      const contents = new Set(left.map((name) => readFileSync(at("both", `d/${name}`), "utf8")));
      expect([
        [0, 0],
        [20, 1],
      ]).toContainEqual([left.length, contents.size]);
      mkdirSync(lane.volume("both"), { recursive: true });
    }
  });

  test("two builds and two loads on a real engine: all four images are there", async () => {
    const layer = await tarOf([{ name: "file", content: "x" }]);
    const archive = (name: string) =>
      archiveOf({ tags: [`${name}:latest`], architecture: "amd64", command: ["/file"], layer });
    const dockerfile = "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n";
    const uplinked = await lane.client.uplink(
      { Dockerfile: dockerfile, "l1.tar": await archive("l1"), "l2.tar": await archive("l2") },
      { pod_name: "images" },
    );
    expect(uplinked.status).toBe(200);
    const build = (image: string) => ({
      operation: "image.build",
      input: { source: { volume: "images" }, dockerfile: "Dockerfile", context: "", image },
    });
    const load = (image: string) => ({
      operation: "image.load",
      input: { volume: "images", tarfile: `${image}.tar`, image },
    });
    const all = await allEnded(await submit("images", [build("b1"), load("l1"), build("b2"), load("l2")]));
    expect(all.map(({ state }) => state)).toEqual(all.map(() => "succeeded"));
    const list = (await lane.client.get("/em/pod/image/list")).json.data as { name: string }[];
    const names = list.map(({ name }) => name).sort();
    expect(names).toEqual(["b1", "b2", "l1", "l2"].map((name) => expect.stringContaining(name)));
  });
});
