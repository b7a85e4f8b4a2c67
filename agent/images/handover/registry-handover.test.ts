import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { handoverRig } from "#test/support/handover-rig.ts";
import { ImageMissing } from "../../pods/pod-runtime.ts";
import { LAST_LAYER } from "./last-layer.ts";

const rig = handoverRig();
const { ada, bob, id } = rig;

describe("handing an image over", () => {
  it("pushes it once and names it by digest", async () => {
    const reference = await rig.handover.reference(rig.needed(ada));
    expect(reference).toBe(`registry.onboard:5000/${rig.registry.held[0]}`);
    expect(reference).toMatch(new RegExp(`/${ada}-tool@sha256:[0-9a-f]{64}$`));
    expect(await rig.handover.reference(rig.needed(ada))).toBe(reference);
    expect(rig.registry.pushes()).toBe(1);
    expect((await rig.tagsOf(rig.base)).filter((name) => name.startsWith(rig.registry.address))).toEqual([]);
  });

  it("pushes once for many that ask at the same time", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => rig.handover.reference(rig.needed(ada))));
    expect(new Set(all).size).toBe(1);
    expect(rig.registry.pushes()).toBe(1);
  });

  it("names nobody else's repository, though the bits are the same", async () => {
    rig.names.set(bob, `${bob}-mine`);
    const [adas, bobs] = [
      await rig.handover.reference(rig.needed(ada)),
      await rig.handover.reference(rig.needed(bob)),
    ];
    expect(adas).toContain(`/${ada}-tool@`);
    expect(bobs).toContain(`/${bob}-mine@`);
  });

  it("gives a rebuilt name its new bits", async () => {
    const rebuilt = await rig.build("rebuilt");
    const before = await rig.handover.reference(rig.needed(ada));
    const after = await rig.handover.reference(rig.needed(ada, rebuilt));
    expect(after.split("@")[0]).toBe(before.split("@")[0]);
    expect(after).not.toBe(before);
  });

  it("takes the longest name that an image may have, whatever the registry is called", async () => {
    const longest = `${"u".repeat(32)}-${"n".repeat(200)}`;
    rig.names.set(ada, longest).set(bob, `${longest.slice(0, -1)}m`);
    const pull = `${"registry.".repeat(8)}onboard:5000`;
    rig.handover = rig.open({ pull });
    const references = [
      await rig.handover.reference(rig.needed(ada)),
      await rig.handover.reference(rig.needed(bob)),
    ];
    for (const reference of references) expect(reference.split("@")[0]!.length).toBeLessThanOrEqual(255);
    expect(new Set(references.map((reference) => reference.split("@")[0])).size).toBe(2);
  });

  it("serves an image that lost its name meanwhile", async () => {
    rig.names.clear();
    expect(await rig.handover.reference(rig.needed(ada))).toContain(`/${ada}-unnamed@sha256:`);
  });

  it("pushes again what the registry has lost", async () => {
    const reference = await rig.handover.reference(rig.needed(ada));
    rig.registry.manifests.clear();
    rig.registry.blobs.clear();
    expect(await rig.handover.reference(rig.needed(ada))).toBe(reference);
    expect(rig.registry.held).toEqual([reference.replace("registry.onboard:5000/", "")]);
  });

  it("says that the engine has no such image", async () => {
    const missing = rig.handover.reference(rig.needed(ada, `sha256:${"0".repeat(64)}`));
    await expect(missing).rejects.toBeInstanceOf(ImageMissing);
  });
});

describe("what nodes get", () => {
  /** The manifest behind a reference, and the configuration that it rig.names. */
  const read = (reference: string) => {
    const [name, digest] = reference.replace("registry.onboard:5000/", "").split("@") as [string, string];
    const manifest = JSON.parse(`${rig.registry.manifests.get(name)?.get(digest)?.body}`);
    return { manifest, config: JSON.parse(`${rig.registry.blobs.get(manifest.config.digest)}`) };
  };

  it("is the image with real directories on top, and nothing else that the image declares", async () => {
    const container = await rig.docker.createContainer({
      Image: rig.base,
      Cmd: ["true"],
      StopSignal: "SIGINT",
    });
    const changes = ["VOLUME /data/results", "VOLUME /cache", "LABEL a=b", "WORKDIR /w"];
    const repo = `perigee-test/declares-${id}`;
    const { Id } = await container.commit({ repo, tag: "latest", changes: changes.join("\n") });
    rig.made.push(`${repo}:latest`);
    await container.remove({ force: true });
    const { manifest, config } = read(await rig.handover.reference(rig.needed(ada, Id)));
    const { RootFS, Config } = await rig.docker.getImage(Id).inspect();
    expect(Object.keys(Config.Volumes ?? {})).toHaveLength(2);
    expect(config.config).toEqual({ Env: Config.Env, Cmd: ["true"], WorkingDir: "/w" });
    expect(config.rootfs.diff_ids).toEqual([...(RootFS.Layers ?? []), LAST_LAYER.digest]);
    expect(manifest.layers).toHaveLength(config.rootfs.diff_ids.length);
    expect(manifest.layers.at(-1).digest).toBe(LAST_LAYER.digest);
    expect(rig.registry.blobs.get(LAST_LAYER.digest)).toEqual(LAST_LAYER.data);
  });

  it("stands alone in the registry: what the engine pushed is named by nothing", async () => {
    const reference = await rig.handover.reference(rig.needed(ada));
    expect(rig.registry.held).toEqual([reference.replace("registry.onboard:5000/", "")]);
  });

  it("replaces what an earlier version pushed, also when that is still there", async () => {
    const bare = await rig.handover.reference(rig.needed(ada));
    const [name, digest] = bare.replace("registry.onboard:5000/", "").split("@") as [string, string];
    const old = digest.replace(/.{4}$/, "0000");
    const manifests = rig.registry.manifests.get(name)!;
    manifests.set(old, { ...manifests.get(digest)!, digest: old });
    for (const key of [...manifests.keys()]) if (key !== old) manifests.delete(key);
    rig.database.exec(`UPDATE handed_images SET digest = '${old}', seal = ''`);
    rig.handover = rig.open();
    expect(await rig.handover.reference(rig.needed(ada))).toBe(bare);
    expect(rig.registry.held).toEqual([`${name}@${digest}`]);
    expect(rig.registry.pushes()).toBe(2);
  });

  it("is found in the state of an earlier version, whose table knows nothing of it", async () => {
    await rig.handover.close();
    rig.database.close();
    rig.database = new DatabaseSync(":memory:");
    rig.database.exec(`
      CREATE TABLE handed_images (
        user TEXT NOT NULL, image_id TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
        state TEXT NOT NULL, digest TEXT, blobs TEXT NOT NULL, used_at INTEGER NOT NULL,
        PRIMARY KEY (user, image_id)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO handed_images VALUES ('${ada}', '${rig.base}', '${ada}-tool', 't', 'held', 'sha256:0', '[]', 0);
    `);
    rig.handover = rig.open();
    expect(read(await rig.handover.reference(rig.needed(ada))).manifest.layers.at(-1).digest).toBe(
      LAST_LAYER.digest,
    );
  });
});

describe("an image that lost a part in the registry", () => {
  /** The image's own layer: the largest blob. */
  const lose = () => {
    const [largest] = [...rig.registry.blobs].sort(([, a], [, b]) => b.length - a.length);
    rig.registry.blobs.delete(largest![0]);
  };

  it("is pushed again when a node failed to pull it", async () => {
    const reference = await rig.handover.reference(rig.needed(ada));
    const blobs = rig.registry.blobs.size;
    lose();
    expect(await rig.handover.reference(rig.needed(ada))).toBe(reference);
    expect(rig.registry.blobs.size).toBe(blobs - 1);
    expect(await rig.handover.reference(rig.needed(ada), true)).toBe(reference);
    expect([rig.registry.blobs.size, rig.registry.pushes()]).toEqual([blobs, 2]);
    await rig.handover.reference(rig.needed(ada), true);
    expect(rig.registry.pushes()).toBe(2);
  });

  it("just after it was pushed, is pushed again before it is named; and not named when that does not help", async () => {
    let losses = 0;
    rig.registry.fault = (method, path) => {
      if (method === "GET" && path.includes("/manifests/") && losses > 0) {
        losses--;
        lose();
      }
      return undefined;
    };
    losses = 1;
    await rig.handover.reference(rig.needed(ada));
    expect(rig.registry.pushes()).toBe(2);
    rig.registry.manifests.clear();
    losses = 2;
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
  });
});
