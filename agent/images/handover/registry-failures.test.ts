import { describe, expect, it } from "vitest";
import { handoverRig } from "#test/support/handover-rig.ts";

const rig = handoverRig();
const { ada, bob, id } = rig;

describe("a registry that fails", () => {
  it("is told by a stable code, and nothing is half done", async () => {
    rig.registry.fault = (method, path) =>
      method === "PUT" && path.includes("/manifests/") ? 500 : undefined;
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
    expect(rig.registry.held).toEqual([]);
    expect((await rig.tagsOf(rig.base)).filter((name) => name.startsWith(rig.registry.address))).toEqual([]);
    rig.registry.fault = undefined;
    expect(await rig.handover.reference(rig.needed(ada))).toContain(rig.registry.held[0]);
  });

  it("is told when it does not answer, also for an image that it had", async () => {
    await rig.handover.reference(rig.needed(ada));
    await rig.registry.close();
    for (const user of [ada, bob]) {
      await expect(rig.handover.reference(rig.needed(user))).rejects.toMatchObject({
        code: "REGISTRY_UNAVAILABLE",
      });
    }
  });

  it("is told when it refuses the password", async () => {
    rig.handover = rig.open({ password: "agent:wrong" });
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
  });

  it("is given up after a while", async () => {
    rig.registry.fault = () => new Promise(() => {});
    rig.handover = rig.open({ pushMs: 300 });
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
  });
});

describe("an agent that died", () => {
  it("takes up a push that had landed", async () => {
    const reference = await rig.handover.reference(rig.needed(ada));
    rig.database.exec("UPDATE handed_images SET state = 'pushing', digest = NULL, blobs = '[]'");
    await rig.handover.start();
    expect(await rig.handover.reference(rig.needed(ada))).toBe(reference);
    expect(rig.registry.pushes()).toBe(1);
  });

  it("takes away what the engine had pushed and nobody had made fit for nodes", async () => {
    rig.registry.fault = (method, path) =>
      method === "DELETE" && path.includes("/manifests/") ? 500 : undefined;
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
    rig.registry.fault = undefined;
    expect(rig.registry.held).toHaveLength(1);
    rig.database.exec("UPDATE handed_images SET state = 'pushing', digest = NULL");
    await rig.handover.start();
    expect(rig.registry.held).toEqual([]);
    expect(rig.database.prepare("SELECT state FROM handed_images").all()).toEqual([{ state: "deleted" }]);
  });

  it("counts a push that had not landed as garbage, and takes its name in the engine away", async () => {
    const repo = `${rig.registry.address}/${ada}-tool`;
    await rig.docker.getImage(rig.base).tag({ repo, tag: `test${id}-x` });
    await rig.docker.getImage(rig.base).tag({ repo, tag: "of-somebody-else" });
    rig.made.push(`${repo}:of-somebody-else`);
    rig.database.exec(
      `INSERT INTO handed_images (user, image_id, repository, tag, state, digest, blobs, used_at) VALUES ('${ada}', '${rig.base}', '${ada}-tool', 't', 'pushing', NULL, '[{"digest":"x","size":5}]', 0)`,
    );
    await rig.handover.start();
    expect(await rig.tagsOf(rig.base)).not.toContain(`${repo}:test${id}-x`);
    expect(await rig.tagsOf(rig.base)).toContain(`${repo}:of-somebody-else`);
    expect(rig.database.prepare("SELECT state FROM handed_images").all()).toEqual([{ state: "deleted" }]);
    rig.handover = rig.open({ collectAt: 4 });
    await rig.handover.keepUp([]);
    expect(rig.collected).toBe(1);
    expect(rig.database.prepare("SELECT count(*) AS n FROM handed_images").get()).toEqual({ n: 0 });
  });
});
