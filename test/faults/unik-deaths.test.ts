import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "#test/contract/support/client.ts";
import { LONG } from "#test/support/long-run.ts";
import { type Deployment, deploy } from "./support/deployment.ts";
import { expectOne, killedAt, newest, pointsOf } from "./support/killed-at.ts";
import { soon, UnikUser } from "./support/unik-user.ts";

let deployment: Deployment;
let users: UnikUser[];
beforeAll(async () => {
  deployment = await deploy(4, { ground: { PERIGEE_DIALECTS: "em,unik" } });
  users = deployment.lanes.map((lane) => new UnikUser(lane));
  const made = async (user: UnikUser) => {
    // as soon as its edge has said what it can do
    await soon(async () => expect((await user.create("app", "first")).status).toBe(201));
  };
  await Promise.all(users.map(made));
});
afterAll(() => deployment.close());

/** Kill points that the tests of the EM's API cover already: here only in a long run. */
const shared = (...points: string[]) => (LONG ? points : []);

describe("the agent dies, and is started again", () => {
  describe.concurrent("an image takes the place of another", () => {
    const points = pointsOf(
      "image.compile",
      [
        "compile.unpacked",
        ...shared("images.built", "journal.before.commit", "images.recorded", "images.tagged"),
        ...["journal.after.commit", "images.replaces", "pods.dropped"],
      ],
      "handler",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const user = users[0]!;
      const volume = `v${points.indexOf(point)}`;
      await user.volume(volume);
      expect(await user.run("app", "old", volume)).toMatchObject({ status: 201 });
      await user.until("old", "running", volume, 1);
      const before = await newest(user.lane);
      const answer = await killedAt(user.lane, point, () => user.create("app", point));
      expect([answer.status, answer.json]).toEqual([201, expect.objectContaining({ Name: "app" })]);
      expect((await user.call("GET", "images")).json).toMatchObject([{ Name: "app" }]);
      expect(await user.instances()).toEqual([]);
      await user.engineHas([point], 0);
      expect(user.lines(volume, "started")).toBe(1);
      await expectOne(user.lane, "image.compile", before);
    });
  });

  describe.concurrent("a compile fails whose sources are kept, and a volume is made", () => {
    const volumes = pointsOf(
      "volume.create",
      ["volume.unpacked", "volume.committed", "volume.made"],
      "handler",
    );
    test.each(volumes)("a volume, killed at %s", { concurrent: false }, async (point) => {
      const user = users[3]!;
      const name = `made${volumes.indexOf(point)}`;
      const before = await newest(user.lane);
      const answer = await killedAt(user.lane, point, () => user.filled(name, "a.txt", point));
      expect([answer.status, answer.json]).toEqual([201, expect.objectContaining({ Name: name })]);
      expect(readdirSync(user.lane.volume(name))).toEqual(["a.txt"]);
      expect(readFileSync(join(user.lane.volume(name), "a.txt"), "utf8")).toBe(point);
      await expectOne(user.lane, "volume.create", before);
      await soon(async () => {
        expect(readdirSync(join(user.lane.agentData, "volumes/.incoming"))).toEqual([]);
        expect(uplinkedBy(user)).toEqual([]);
      });
    });

    test.each(["compile.keeping", "compile.kept"])("killed at %s", { concurrent: false }, async (point) => {
      const user = users[3]!;
      const before = Object.keys(user.kept());
      const answer = await killedAt(
        user.lane,
        point,
        () => user.createFailing("bad"),
        () =>
          expect(Object.keys(user.kept())).toHaveLength(before.length + (point === "compile.kept" ? 1 : 0)),
      );
      expect(answer.status).toBe(422);
      const command = answer.header("perigee-command")!;
      const { [command]: made, ...others } = user.kept();
      expect(made).toEqual(["log", "sources"]);
      expect(Object.keys(others).sort()).toEqual(before.sort());
    });
  });

  describe.concurrent("an instance is run, and removed", () => {
    const runs = pointsOf("pod.run", ["pods.recorded", ...shared("pods.created"), "pods.started"], "handler");
    test.each(runs)("run, killed at %s", { concurrent: false }, async (point) => {
      const user = users[1]!;
      const name = `r${runs.indexOf(point)}`;
      await user.volume(name);
      const before = await newest(user.lane);
      expect(await killedAt(user.lane, point, () => user.run("app", name, name))).toMatchObject({
        status: 201,
      });
      await user.until(name, "running", name, 1);
      await expectOne(user.lane, "pod.run", before);
      expect(await user.call("DELETE", `instances/${name}?force=true`)).toMatchObject({ status: 204 });
      expect(await user.inEngine()).toEqual({ images: ["first"], containers: 0 });
    });

    const removals = pointsOf("pod.remove", ["pods.dropped"], "handler");
    test.each(removals)("removed, killed at %s", { concurrent: false }, async (point) => {
      const user = users[1]!;
      const name = `d${removals.indexOf(point)}`;
      await user.volume(name);
      await user.run("app", name, name);
      await user.until(name, "running", name, 1);
      const before = await newest(user.lane);
      const remove = () => user.call("DELETE", `instances/${name}?force=true`);
      expect(await killedAt(user.lane, point, remove)).toMatchObject({ status: 204 });
      expect(await user.instances()).toEqual([]);
      expect(await user.inEngine()).toEqual({ images: ["first"], containers: 0 });
      await expectOne(user.lane, "pod.remove", before);
    });
  });

  describe.concurrent("an instance is stopped, and started", () => {
    const stops = pointsOf("pod.stop", ["pods.stopping", ...shared("pods.stopped")], "handler");
    const starts = pointsOf(
      "pod.run",
      [...shared("pods.recorded", "pods.started"), "pods.created"],
      "handler",
    );
    let count = 1;

    test("it runs", { concurrent: false }, async () => {
      const user = users[2]!;
      await user.volume("v");
      await user.run("app", "one", "v");
      await user.until("one", "running", "v", count);
    });

    test.each(stops)("stopped, killed at %s", { concurrent: false }, async (point) => {
      const user = users[2]!;
      const before = await newest(user.lane);
      const stop = () => user.call("POST", "instances/one/stop");
      expect(await killedAt(user.lane, point, stop)).toMatchObject({ status: 200 });
      await user.until("one", "stopped", "v", count);
      expect(user.lines("v", "stopped")).toBe(count);
      await expectOne(user.lane, "pod.stop", before);
      await user.call("POST", "instances/one/start");
      await user.until("one", "running", "v", ++count);
    });

    test.each(starts)("started, killed at %s", { concurrent: false }, async (point) => {
      const user = users[2]!;
      await user.call("POST", "instances/one/stop");
      const before = await newest(user.lane);
      const start = () => user.call("POST", "instances/one/start");
      expect(await killedAt(user.lane, point, start)).toMatchObject({ status: 200 });
      await user.until("one", "running", "v", ++count);
      // the run before is there until all of its log has been pushed
      await user.engineHas(["first"], 1);
      await expectOne(user.lane, "pod.run", before);
    });
  });
});

/** What is in staging of files that this user has sent. */
function uplinkedBy({ lane }: UnikUser): string[] {
  return deployment.staged().filter((path) => path.includes(`/uplink/${lane.user}/`));
}

describe("the ground dies, and is started again", () => {
  /** What came of a call that the death of the ground at `point` cut, when it is asked again. */
  async function cutAt(point: string, call: () => Promise<Answer>): Promise<Answer> {
    deployment.ground.arm(point);
    const cut = expect(call()).rejects.toThrow();
    await deployment.ground.death(point);
    await deployment.ground.start();
    await cut;
    return call();
  }

  test.each(["dispatch.reserved", "dispatch.staged"])(
    "an image whose call was cut at %s leaves nothing: its name is free",
    async (point) => {
      const user = users[3]!;
      const before = (await newest(user.lane)) ?? "";
      let times = 0;
      const again = await cutAt(point, () => user.create("other", `${point}-${++times}`));
      expect([again.status, again.text]).toEqual([201, expect.any(String)]);
      await soon(async () => {
        const { data } = (await user.lane.client.get("/commands", { limit: 20 })).json;
        const since = data.filter(({ command_id }: { command_id: string }) => command_id > before);
        expect(since).toMatchObject([{ state: "succeeded" }, { state: "expired", attempts: 0 }]);
      });
      expect(deployment.staged().filter((path) => path.includes("/objects/uplink/"))).toEqual([]);
      await user.engineHas([`${point}-2`, "first"], 0);
    },
  );

  test.each(["dispatch.queued", "agent.reported"])(
    "an image whose call was cut at %s is made once, and replaced by the next",
    async (point) => {
      const user = users[3]!;
      deployment.ground.arm(point);
      const cut = expect(user.create("other", `${point}-1`)).rejects.toThrow();
      await deployment.ground.death(point);
      await deployment.ground.start();
      await cut;
      await user.engineHas([`${point}-1`, "first"], 0);
      await soon(async () => {
        const next = await user.create("other", `${point}-2`);
        expect([next.status, next.text]).toEqual([201, expect.any(String)]);
      });
      await user.engineHas([`${point}-2`, "first"], 0);
    },
  );

  test.each(["dispatch.submitted", "agent.reported"])(
    "of what was cut at %s each is done once, and its key tells the answer",
    async (point) => {
      const user = users[3]!;
      const key = (verb: string) => ({ "idempotency-key": `${verb} ${point}` });
      const post = (verb: string) => () => user.call("POST", `instances/one/${verb}`, key(verb));
      const volume = point.replace(".", "");
      const make = () => user.call("POST", `volumes/${volume}?provider=docker&size=1`, key("volume"));
      const made = await cutAt(point, make);
      expect([made.status, made.json]).toEqual([201, expect.objectContaining({ Name: volume })]);
      const run = await cutAt(point, () => user.run("app", "one", volume, key("run")));
      expect([run.status, run.json]).toEqual([201, expect.objectContaining({ Name: "one" })]);
      await user.until("one", "running", volume, 1);
      expect(await cutAt(point, post("stop"))).toMatchObject({ status: 200 });
      await user.until("one", "stopped", volume, 1);
      expect(user.lines(volume, "stopped")).toBe(1);
      expect(await cutAt(point, post("start"))).toMatchObject({ status: 200 });
      await user.until("one", "running", volume, 2);
      await soon(async () => expect((await user.inEngine()).containers).toBe(1));
      const remove = () => user.call("DELETE", "instances/one?force=true", key("remove"));
      expect(await cutAt(point, remove)).toMatchObject({ status: 204 });
      expect(await user.instances()).toEqual([]);
      expect((await user.inEngine()).containers).toBe(0);
    },
  );

  test.each(["dispatch.reserved", "dispatch.staged"])(
    "a volume with data whose call was cut at %s leaves nothing: its name is free",
    async (point) => {
      const user = users[3]!;
      const name = `filled${point.replace(".", "")}`;
      let times = 0;
      const again = await cutAt(point, () => user.filled(name, `${++times}.txt`, "x"));
      expect([again.status, again.text]).toEqual([201, expect.any(String)]);
      expect(readdirSync(user.lane.volume(name))).toEqual(["2.txt"]);
      await soon(async () => expect(uplinkedBy(user)).toEqual([]));
    },
  );

  test.each(["dispatch.queued", "agent.reported"])(
    "a volume with data whose call was cut at %s is made once",
    async (point) => {
      const user = users[3]!;
      const name = `filled${point.replace(".", "")}`;
      let times = 0;
      const again = await cutAt(point, () => user.filled(name, `${++times}.txt`, "x"));
      expect([again.status, again.text]).toEqual([409, `volume ${name} already exists`]);
      await soon(async () =>
        expect(await user.call("GET", `volumes/${name}`)).toMatchObject({ status: 200 }),
      );
      expect(readdirSync(user.lane.volume(name))).toEqual(["1.txt"]);
      await soon(async () => expect(uplinkedBy(user)).toEqual([]));
    },
  );

  const inHub = () => deployment.staged().filter((path) => path.includes("/objects/hub/"));
  const pushed = async (user: UnikUser) =>
    (await user.call("GET", "hub/images")).json.map(({ owner }: { owner: string }) => owner);

  test.each(["dispatch.submitted", "agent.reported"])(
    "a push that was cut at %s is one entry, whole",
    async (point) => {
      const user = users[1]!;
      const before = await newest(user.lane);
      const headers = { "idempotency-key": `push ${point}` };
      expect(await cutAt(point, () => user.call("POST", "images/push/app", headers))).toMatchObject({
        status: 202,
      });
      expect(await pushed(user)).toEqual([user.lane.user]);
      await expectOne(user.lane, "image.export", before);
      await soon(async () => expect(inHub()).toHaveLength(1));
    },
  );

  test.each(["dispatch.reserved", "dispatch.staged", "dispatch.queued", "agent.reported"])(
    "a pull that was cut at %s takes the place of the image and its instances, once",
    async (point) => {
      const user = users[1]!;
      const volume = `pull${point.replace(".", "")}`;
      await user.volume(volume);
      await user.run("app", "old", volume);
      await user.until("old", "running", volume, 1);
      const before = (await user.call("GET", "images")).json;
      const headers = { "idempotency-key": `pull ${point}` };
      const pull = () => user.call("POST", "images/pull/app?provider=docker&force=true", headers);
      expect(await cutAt(point, pull)).toMatchObject({ status: 202, text: "" });
      const after = (await user.call("GET", "images")).json;
      expect(after).toMatchObject([{ Name: "app" }]);
      expect(after[0].Created).not.toBe(before[0].Created);
      expect(await user.instances()).toEqual([]);
      await user.engineHas(["first"], 0);
      expect(user.lines(volume, "started")).toBe(1);
      await soon(async () => expect(uplinkedBy(user)).toEqual([]));
    },
  );

  test("a removal from the hub that was cut has removed it, and its repeat is told so", async () => {
    const user = users[1]!;
    const remove = () => user.call("POST", "images/remote-delete/app");
    expect(await cutAt("hub.deleted", remove)).toMatchObject({ status: 202, text: "" });
    expect(await pushed(user)).toEqual([]);
    await soon(async () => expect(inHub()).toEqual([]));
    expect(await remove()).toMatchObject({ status: 404 });
  });

  test("a volume whose call was cut is attached, once, and the next start has it", async () => {
    const user = users[3]!;
    await user.volume("before");
    await user.volume("after");
    await user.run("app", "two", "before");
    await user.until("two", "running", "before", 1);
    await user.call("POST", "instances/two/stop");
    const detached = await cutAt("unik.changed", () => user.call("POST", "volumes/before/detach"));
    expect([detached.status, detached.text]).toEqual([202, "before"]);
    const attach = () => user.call("POST", "volumes/after/attach/two?mount=/data");
    const attached = await cutAt("unik.changed", attach);
    expect([attached.status, attached.text]).toEqual([202, "after"]);
    expect(await user.call("POST", "instances/two/start")).toMatchObject({ status: 200 });
    await user.until("two", "running", "after", 1);
    expect(user.lines("before", "started")).toBe(1);
  });
});
