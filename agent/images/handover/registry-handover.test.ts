import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import Docker from "dockerode";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "#test/support/base-image.ts";
import { FakeRegistry } from "#test/support/fake-registry.ts";
import { ImageMissing } from "../../pods/pod-runtime.ts";
import { CollectionCut } from "./collect-command.ts";
import type { NeededImage } from "./image-handover.ts";
import { LAST_LAYER } from "./last-layer.ts";
import { RegistryHandover, type RegistryHandoverOptions } from "./registry-handover.ts";

const docker = new Docker();
const id = randomBytes(4).toString("hex");
const ada = `a${id}`;
const bob = `b${id}`;
const made: string[] = [];
let base: string;
let registry: FakeRegistry;
let database: DatabaseSync;
let handover: RegistryHandover;
let names: Map<string, string>;
let inUse: Set<string>;
let collected: number;

beforeAll(async () => {
  base = await makeBusyboxImage(docker, `perigee-test/handover-${id}:latest`);
  made.push(`perigee-test/handover-${id}:latest`);
});
afterAll(async () => {
  for (const name of made) await docker.getImage(name).remove({ force: true });
});
beforeEach(async () => {
  registry = await FakeRegistry.start();
  database = new DatabaseSync(":memory:");
  names = new Map([[ada, `${ada}-tool`]]);
  inUse = new Set();
  collected = 0;
  handover = open();
});
afterEach(async () => {
  await handover.close();
  await registry.close();
  database.close();
});

function open(options: Partial<RegistryHandoverOptions> = {}): RegistryHandover {
  return new RegistryHandover({
    docker,
    database,
    instance: `test${id}`,
    pull: "registry.onboard:5000",
    push: registry.address,
    password: registry.password,
    maxBytes: 1024 ** 3,
    collect: async () => {
      collected++;
    },
    repositoryOf: async ({ user }) => names.get(user),
    isInUse: ({ user, imageId }) => inUse.has(`${user} ${imageId}`),
    ...options,
  });
}

/** A small image of its own: the base with a layer on it. */
async function build(name: string): Promise<string> {
  const container = await docker.createContainer({ Image: base, Cmd: ["true"], Env: [`NAME=${name}`] });
  try {
    const { Id } = await container.commit({ repo: `perigee-test/${name}-${id}`, tag: "latest" });
    made.push(`perigee-test/${name}-${id}:latest`);
    return Id;
  } finally {
    await container.remove({ force: true });
  }
}

const needed = (user: string, imageId = base): NeededImage => ({ user, imageId });

async function tagsOf(imageId: string): Promise<string[]> {
  return (await docker.getImage(imageId).inspect()).RepoTags;
}

describe("handing an image over", () => {
  it("pushes it once and names it by digest", async () => {
    const reference = await handover.reference(needed(ada));
    expect(reference).toBe(`registry.onboard:5000/${registry.held[0]}`);
    expect(reference).toMatch(new RegExp(`/${ada}-tool@sha256:[0-9a-f]{64}$`));
    expect(await handover.reference(needed(ada))).toBe(reference);
    expect(registry.pushes()).toBe(1);
    expect((await tagsOf(base)).filter((name) => name.startsWith(registry.address))).toEqual([]);
  });

  it("pushes once for many that ask at the same time", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => handover.reference(needed(ada))));
    expect(new Set(all).size).toBe(1);
    expect(registry.pushes()).toBe(1);
  });

  it("names nobody else's repository, though the bits are the same", async () => {
    names.set(bob, `${bob}-mine`);
    const [adas, bobs] = [await handover.reference(needed(ada)), await handover.reference(needed(bob))];
    expect(adas).toContain(`/${ada}-tool@`);
    expect(bobs).toContain(`/${bob}-mine@`);
  });

  it("gives a rebuilt name its new bits", async () => {
    const rebuilt = await build("rebuilt");
    const before = await handover.reference(needed(ada));
    const after = await handover.reference(needed(ada, rebuilt));
    expect(after.split("@")[0]).toBe(before.split("@")[0]);
    expect(after).not.toBe(before);
  });

  it("takes the longest name that an image may have, whatever the registry is called", async () => {
    const longest = `${"u".repeat(32)}-${"n".repeat(200)}`;
    names.set(ada, longest).set(bob, `${longest.slice(0, -1)}m`);
    const pull = `${"registry.".repeat(8)}onboard:5000`;
    handover = open({ pull });
    const references = [await handover.reference(needed(ada)), await handover.reference(needed(bob))];
    for (const reference of references) expect(reference.split("@")[0]!.length).toBeLessThanOrEqual(255);
    expect(new Set(references.map((reference) => reference.split("@")[0])).size).toBe(2);
  });

  it("serves an image that lost its name meanwhile", async () => {
    names.clear();
    expect(await handover.reference(needed(ada))).toContain(`/${ada}-unnamed@sha256:`);
  });

  it("pushes again what the registry has lost", async () => {
    const reference = await handover.reference(needed(ada));
    registry.manifests.clear();
    registry.blobs.clear();
    expect(await handover.reference(needed(ada))).toBe(reference);
    expect(registry.held).toEqual([reference.replace("registry.onboard:5000/", "")]);
  });

  it("says that the engine has no such image", async () => {
    const missing = handover.reference(needed(ada, `sha256:${"0".repeat(64)}`));
    await expect(missing).rejects.toBeInstanceOf(ImageMissing);
  });
});

describe("what nodes get", () => {
  /** The manifest behind a reference, and the configuration that it names. */
  const read = (reference: string) => {
    const [name, digest] = reference.replace("registry.onboard:5000/", "").split("@") as [string, string];
    const manifest = JSON.parse(`${registry.manifests.get(name)?.get(digest)?.body}`);
    return { manifest, config: JSON.parse(`${registry.blobs.get(manifest.config.digest)}`) };
  };

  it("is the image with real directories on top, and nothing else that the image declares", async () => {
    const container = await docker.createContainer({ Image: base, Cmd: ["true"], StopSignal: "SIGINT" });
    const changes = ["VOLUME /data/results", "VOLUME /cache", "LABEL a=b", "WORKDIR /w"];
    const repo = `perigee-test/declares-${id}`;
    const { Id } = await container.commit({ repo, tag: "latest", changes: changes.join("\n") });
    made.push(`${repo}:latest`);
    await container.remove({ force: true });
    const { manifest, config } = read(await handover.reference(needed(ada, Id)));
    const { RootFS, Config } = await docker.getImage(Id).inspect();
    expect(Object.keys(Config.Volumes ?? {})).toHaveLength(2);
    expect(config.config).toEqual({ Env: Config.Env, Cmd: ["true"], WorkingDir: "/w" });
    expect(config.rootfs.diff_ids).toEqual([...(RootFS.Layers ?? []), LAST_LAYER.digest]);
    expect(manifest.layers).toHaveLength(config.rootfs.diff_ids.length);
    expect(manifest.layers.at(-1).digest).toBe(LAST_LAYER.digest);
    expect(registry.blobs.get(LAST_LAYER.digest)).toEqual(LAST_LAYER.data);
  });

  it("stands alone in the registry: what the engine pushed is named by nothing", async () => {
    const reference = await handover.reference(needed(ada));
    expect(registry.held).toEqual([reference.replace("registry.onboard:5000/", "")]);
  });

  it("replaces what an earlier version pushed, also when that is still there", async () => {
    const bare = await handover.reference(needed(ada));
    const [name, digest] = bare.replace("registry.onboard:5000/", "").split("@") as [string, string];
    const old = digest.replace(/.{4}$/, "0000");
    const manifests = registry.manifests.get(name)!;
    manifests.set(old, { ...manifests.get(digest)!, digest: old });
    for (const key of [...manifests.keys()]) if (key !== old) manifests.delete(key);
    database.exec(`UPDATE handed_images SET digest = '${old}', seal = ''`);
    handover = open();
    expect(await handover.reference(needed(ada))).toBe(bare);
    expect(registry.held).toEqual([`${name}@${digest}`]);
    expect(registry.pushes()).toBe(2);
  });

  it("is found in the state of an earlier version, whose table knows nothing of it", async () => {
    await handover.close();
    database.close();
    database = new DatabaseSync(":memory:");
    database.exec(`
      CREATE TABLE handed_images (
        user TEXT NOT NULL, image_id TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
        state TEXT NOT NULL, digest TEXT, blobs TEXT NOT NULL, used_at INTEGER NOT NULL,
        PRIMARY KEY (user, image_id)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO handed_images VALUES ('${ada}', '${base}', '${ada}-tool', 't', 'held', 'sha256:0', '[]', 0);
    `);
    handover = open();
    expect(read(await handover.reference(needed(ada))).manifest.layers.at(-1).digest).toBe(LAST_LAYER.digest);
  });
});

describe("an image that lost a part in the registry", () => {
  /** The image's own layer: the largest blob. */
  const lose = () => {
    const [largest] = [...registry.blobs].sort(([, a], [, b]) => b.length - a.length);
    registry.blobs.delete(largest![0]);
  };

  it("is pushed again when a node failed to pull it", async () => {
    const reference = await handover.reference(needed(ada));
    const blobs = registry.blobs.size;
    lose();
    expect(await handover.reference(needed(ada))).toBe(reference);
    expect(registry.blobs.size).toBe(blobs - 1);
    expect(await handover.reference(needed(ada), true)).toBe(reference);
    expect([registry.blobs.size, registry.pushes()]).toEqual([blobs, 2]);
    await handover.reference(needed(ada), true);
    expect(registry.pushes()).toBe(2);
  });

  it("just after it was pushed, is pushed again before it is named; and not named when that does not help", async () => {
    let losses = 0;
    registry.fault = (method, path) => {
      if (method === "GET" && path.includes("/manifests/") && losses > 0) {
        losses--;
        lose();
      }
      return undefined;
    };
    losses = 1;
    await handover.reference(needed(ada));
    expect(registry.pushes()).toBe(2);
    registry.manifests.clear();
    losses = 2;
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
  });
});

describe("a collection that was cut short", () => {
  let ends: boolean;
  const collect = async (signal: AbortSignal) => {
    collected++;
    if (ends) return;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const garbage = async () => {
    await handover.reference(needed(ada));
    names.delete(ada);
    names.set(bob, `${bob}-tool`);
  };

  it("may go on unseen: nothing is pushed until one has ended, also after a restart", async () => {
    ends = false;
    handover = open({ collect, collectAt: 0, collectMs: 50 });
    await garbage();
    await handover.keepUp([]);
    const pushes = registry.pushes();
    await expect(handover.reference(needed(bob))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    await handover.close();
    handover = open({ collect, collectMs: 50 });
    await expect(handover.reference(needed(bob))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect([registry.pushes(), collected]).toEqual([pushes, 3]);
    ends = true;
    await handover.reference(needed(bob));
    expect([registry.pushes(), collected]).toEqual([pushes + 1, 4]);
  });

  it("is one whose command was killed, and not one that failed", async () => {
    const errors = [new Error("exit code 1"), new CollectionCut("killed")];
    handover = open({
      collectAt: 0,
      collect: async () => Promise.reject(errors.shift() ?? new Error("again")),
    });
    await garbage();
    await handover.keepUp([]);
    expect(await handover.reference(needed(bob))).toContain(`/${bob}-tool@`);
    names.clear();
    await handover.keepUp([]);
    names.set(bob, `${bob}-tool`);
    await expect(handover.reference(needed(bob))).rejects.toThrow("again");
    expect(await handover.reference(needed(bob))).toContain(`/${bob}-tool@`);
  });
});

describe("a registry that fails", () => {
  it("is told by a stable code, and nothing is half done", async () => {
    registry.fault = (method, path) => (method === "PUT" && path.includes("/manifests/") ? 500 : undefined);
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect(registry.held).toEqual([]);
    expect((await tagsOf(base)).filter((name) => name.startsWith(registry.address))).toEqual([]);
    registry.fault = undefined;
    expect(await handover.reference(needed(ada))).toContain(registry.held[0]);
  });

  it("is told when it does not answer, also for an image that it had", async () => {
    await handover.reference(needed(ada));
    await registry.close();
    for (const user of [ada, bob]) {
      await expect(handover.reference(needed(user))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    }
  });

  it("is told when it refuses the password", async () => {
    handover = open({ password: "agent:wrong" });
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
  });

  it("is given up after a while", async () => {
    registry.fault = () => new Promise(() => {});
    handover = open({ pushMs: 300 });
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
  });
});

describe("an agent that died", () => {
  it("takes up a push that had landed", async () => {
    const reference = await handover.reference(needed(ada));
    database.exec("UPDATE handed_images SET state = 'pushing', digest = NULL, blobs = '[]'");
    await handover.start();
    expect(await handover.reference(needed(ada))).toBe(reference);
    expect(registry.pushes()).toBe(1);
  });

  it("takes away what the engine had pushed and nobody had made fit for nodes", async () => {
    registry.fault = (method, path) =>
      method === "DELETE" && path.includes("/manifests/") ? 500 : undefined;
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    registry.fault = undefined;
    expect(registry.held).toHaveLength(1);
    database.exec("UPDATE handed_images SET state = 'pushing', digest = NULL");
    await handover.start();
    expect(registry.held).toEqual([]);
    expect(database.prepare("SELECT state FROM handed_images").all()).toEqual([{ state: "deleted" }]);
  });

  it("counts a push that had not landed as garbage, and takes its name in the engine away", async () => {
    const repo = `${registry.address}/${ada}-tool`;
    await docker.getImage(base).tag({ repo, tag: `test${id}-x` });
    await docker.getImage(base).tag({ repo, tag: "of-somebody-else" });
    made.push(`${repo}:of-somebody-else`);
    database.exec(
      `INSERT INTO handed_images (user, image_id, repository, tag, state, digest, blobs, used_at) VALUES ('${ada}', '${base}', '${ada}-tool', 't', 'pushing', NULL, '[{"digest":"x","size":5}]', 0)`,
    );
    await handover.start();
    expect(await tagsOf(base)).not.toContain(`${repo}:test${id}-x`);
    expect(await tagsOf(base)).toContain(`${repo}:of-somebody-else`);
    expect(database.prepare("SELECT state FROM handed_images").all()).toEqual([{ state: "deleted" }]);
    handover = open({ collectAt: 4 });
    await handover.keepUp([]);
    expect(collected).toBe(1);
    expect(database.prepare("SELECT count(*) AS n FROM handed_images").get()).toEqual({ n: 0 });
  });
});

describe("what the registry keeps", () => {
  it("drops what has no name any more, once no run uses it", async () => {
    await handover.reference(needed(ada));
    names.clear();
    inUse.add(`${ada} ${base}`);
    await handover.keepUp([]);
    expect(registry.held).toHaveLength(1);
    inUse.clear();
    await handover.keepUp([]);
    expect(registry.held).toEqual([]);
  });

  it("keeps a manifest that another user's name needs too", async () => {
    names.set(ada, "busybox").set(bob, "busybox");
    const reference = await handover.reference(needed(ada));
    await handover.reference(needed(bob));
    names.delete(ada);
    await handover.keepUp([]);
    expect(await handover.reference(needed(bob))).toBe(reference);
  });

  it("makes room by dropping what was not used for long, and collects", async () => {
    const [first, second] = [await build("first"), await build("second")];
    const size = (await docker.getImage(base).inspect()).Size;
    let now = 1;
    handover = open({ maxBytes: Math.round(size * 1.5), now: () => now++ });
    await handover.reference(needed(ada, first));
    const kept = await handover.reference(needed(ada, second));
    expect(registry.held.map((held) => `registry.onboard:5000/${held}`)).toEqual([kept]);
    expect(collected).toBeGreaterThan(0);
  });

  it("lets no user starve another by images that no run waits for", async () => {
    const [first, second, third] = [await build("many-1"), await build("many-2"), await build("bobs")];
    const size = (await docker.getImage(base).inspect()).Size;
    names.set(bob, `${bob}-tool`);
    let now = 1;
    handover = open({ maxBytes: Math.round(size * 1.5), now: () => now++ });
    inUse.add(`${ada} ${first}`);
    await handover.reference(needed(ada, first));
    await expect(handover.reference(needed(bob, third))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    // Its run has started.
    inUse.clear();
    await handover.reference(needed(ada, second));
    const kept = await handover.reference(needed(bob, third));
    expect(registry.held.map((held) => `registry.onboard:5000/${held}`)).toEqual([kept]);
  });

  it("refuses when everything is in use", async () => {
    const other = await build("other");
    const size = (await docker.getImage(base).inspect()).Size;
    handover = open({ maxBytes: Math.round(size * 1.5) });
    await handover.reference(needed(ada));
    inUse.add(`${ada} ${base}`);
    await expect(handover.reference(needed(ada, other))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(registry.held).toHaveLength(1);
  });

  it("stops at the free-space floor", async () => {
    handover = open({ room: () => 10 });
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(registry.pushes()).toBe(0);
  });

  it("drops what was not used for long where free space is short", async () => {
    const other = await build("instead");
    const size = (await docker.getImage(base).inspect()).Size;
    const free = () => (registry.held.length === 0 && collected > 0 ? size * 2 : 10);
    await handover.reference(needed(ada));
    handover = open({ room: free });
    inUse.add(`${ada} ${base}`);
    await expect(handover.reference(needed(ada, other))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(registry.held).toHaveLength(1);
    inUse.clear();
    // What the registry holds is less than what the engine says of it: as much as it takes
    database.exec(`UPDATE handed_images SET blobs = '[{"digest":"x","size":${size * 2}}]'`);
    expect(await handover.reference(needed(ada, other))).toContain(registry.held[0]);
    expect(registry.held).toHaveLength(1);
  });

  it("counts what a push that failed has left, and has it collected", async () => {
    registry.fault = (method, path) => (method === "PUT" && path.includes("/manifests/") ? 500 : undefined);
    handover = open({ collectAt: 0 });
    await expect(handover.reference(needed(ada))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect(collected).toBe(0);
    registry.fault = undefined;
    await handover.keepUp([]);
    expect(collected).toBe(1);
  });

  it("never collects while something is pushed", async () => {
    const other = await build("beside");
    let pushing = false;
    let met = false;
    handover = open({
      collectAt: 0,
      collect: async () => {
        met ||= pushing;
      },
    });
    await handover.reference(needed(ada));
    names.delete(ada);
    names.set(bob, `${bob}-tool`);
    registry.fault = async (method, path) => {
      if (method === "PUT" || method === "PATCH" || method === "POST") pushing = true;
      if (method === "GET" && path.includes("/manifests/")) pushing = false;
      return undefined;
    };
    const push = handover.reference(needed(bob, other));
    await Promise.all([push, handover.keepUp([])]);
    expect(met).toBe(false);
    expect(registry.held).toEqual([(await push).replace("registry.onboard:5000/", "")]);
  });
});
