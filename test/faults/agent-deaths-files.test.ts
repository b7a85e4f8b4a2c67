import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { expectOne, killedAt, newest, pointsOf } from "./support/killed-at.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await deploy(3);
});
afterAll(() => deployment.close());

/** Nothing of a command lies about on the edge once it has ended. */
function expectTidy({ agentData }: Lane): void {
  for (const place of [".incoming", ".trash"]) {
    expect(readdirSync(join(agentData, "volumes", place))).toEqual([]);
  }
}

describe("the agent dies while it works on files, and is started again", () => {
  describe.concurrent("uplink", () => {
    /** What the user, or a pod, writes after it took effect must not be taken back by a second try. */
    const EFFECT = "uplink.placed";
    const points = pointsOf(
      "volume.uplink",
      [
        "uplink.planned",
        "uplink.received",
        "journal.before.commit",
        "journal.after.commit",
        "uplink.renamed",
        EFFECT,
        "uplink.before.discard",
        "uplink.discarded",
      ],
      "everywhere",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[0]!;
      const volume = `v${points.indexOf(point)}`;
      const at = (path: string) => join(lane.volume(volume), path);
      mkdirSync(at("d"), { recursive: true });
      writeFileSync(at("d/old"), "before");
      const before = await newest(lane);
      const files = { "d/old": `after ${point}`, "d/new": "new", "e/f/deep": "deep" };
      const late = points.indexOf(point) >= points.indexOf(EFFECT);
      const answer = await killedAt(
        lane,
        point,
        () => lane.client.uplink(files, { pod_name: volume }),
        () => {
          if (late) writeFileSync(at("d/new"), "a pod's");
          else if (existsSync(at("d/new"))) throw new Error(`${point} comes after the effect`);
        },
      );
      expect(answer.json).toEqual({
        message: "Successfully uplinked files",
        data: {
          file_count: 3,
          total_size_kb: Math.round((`after ${point}newdeep`.length / 1024) * 100) / 100,
        },
      });
      expect(readFileSync(at("d/old"), "utf8")).toBe(files["d/old"]);
      expect(readFileSync(at("d/new"), "utf8")).toBe(late ? "a pod's" : "new");
      expect(readFileSync(at("e/f/deep"), "utf8")).toBe("deep");
      await expectOne(lane, "volume.uplink", before);
      expectTidy(lane);
    });
  });

  describe.concurrent("delete", () => {
    const EFFECT = "journal.before.moved";
    const points = pointsOf(
      "file.delete",
      ["journal.before.commit", "journal.after.commit", EFFECT, "journal.after.moved", "trash.emptying"],
      "handler",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[1]!;
      const directory = join(lane.volume("default"), "gone");
      mkdirSync(join(directory, "sub"), { recursive: true });
      writeFileSync(join(directory, "sub/file"), "x");
      const before = await newest(lane);
      const late = points.indexOf(point) >= points.indexOf(EFFECT);
      const answer = await killedAt(
        lane,
        point,
        () => lane.client.form("/em/files/delete", { filepath: "gone" }),
        () => {
          expect(existsSync(directory)).toBe(!late);
          if (late) mkdirSync(directory);
        },
      );
      expect(answer.json).toEqual({ message: "File deleted successfully" });
      expect(existsSync(directory)).toBe(late);
      await expectOne(lane, "file.delete", before);
      expectTidy(lane);
    });
  });

  describe.concurrent("pvc delete", () => {
    const EFFECT = "journal.before.moved";
    const points = pointsOf(
      "volume.remove",
      ["journal.before.commit", "journal.after.commit", EFFECT, "journal.after.moved", "trash.emptying"],
      "handler",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[2]!;
      const pvc_name = `v${points.indexOf(point)}`;
      expect((await lane.client.uplink({ "a/b": "x" }, { pvc_name })).status).toBe(200);
      const before = await newest(lane);
      const late = points.indexOf(point) >= points.indexOf(EFFECT);
      const answer = await killedAt(
        lane,
        point,
        () => lane.client.form("/em/pvc/delete", { pvc_name }),
        () => expect(existsSync(lane.volume(pvc_name))).toBe(!late),
      );
      expect(answer.json).toEqual({ message: "Volume deleted successfully" });
      expect(existsSync(lane.volume(pvc_name))).toBe(false);
      await expectOne(lane, "volume.remove", before);
      const listed = await lane.client.get("/em/pvc/list");
      expect(listed.json.data.map(({ name }: { name: string }) => name)).not.toContain(pvc_name);
      expectTidy(lane);
    });
  });
});
