import { describe, expect, it } from "vitest";
import { handoverRig } from "#test/support/handover-rig.ts";
import { CollectionCut } from "./collect-command.ts";

const rig = handoverRig();
const { ada, bob } = rig;

describe("a collection that was cut short", () => {
  let ends: boolean;
  const collect = async (signal: AbortSignal) => {
    rig.collected++;
    if (ends) return;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const garbage = async () => {
    await rig.handover.reference(rig.needed(ada));
    rig.names.delete(ada);
    rig.names.set(bob, `${bob}-tool`);
  };

  it("may go on unseen: nothing is pushed until one has ended, also after a restart", async () => {
    ends = false;
    rig.handover = rig.open({ collect, collectAt: 0, collectMs: 50 });
    await garbage();
    await rig.handover.keepUp([]);
    const pushes = rig.registry.pushes();
    await expect(rig.handover.reference(rig.needed(bob))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
    await rig.handover.close();
    rig.handover = rig.open({ collect, collectMs: 50 });
    await expect(rig.handover.reference(rig.needed(bob))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
    expect([rig.registry.pushes(), rig.collected]).toEqual([pushes, 3]);
    ends = true;
    await rig.handover.reference(rig.needed(bob));
    expect([rig.registry.pushes(), rig.collected]).toEqual([pushes + 1, 4]);
  });

  it("is one whose command was killed, and not one that failed", async () => {
    const errors = [new Error("exit code 1"), new CollectionCut("killed")];
    rig.handover = rig.open({
      collectAt: 0,
      collect: async () => Promise.reject(errors.shift() ?? new Error("again")),
    });
    await garbage();
    await rig.handover.keepUp([]);
    expect(await rig.handover.reference(rig.needed(bob))).toContain(`/${bob}-tool@`);
    rig.names.clear();
    await rig.handover.keepUp([]);
    rig.names.set(bob, `${bob}-tool`);
    await expect(rig.handover.reference(rig.needed(bob))).rejects.toThrow("again");
    expect(await rig.handover.reference(rig.needed(bob))).toContain(`/${bob}-tool@`);
  });
});

describe("what the registry keeps", () => {
  it("drops what has no name any more, once no run uses it", async () => {
    await rig.handover.reference(rig.needed(ada));
    rig.names.clear();
    rig.inUse.add(`${ada} ${rig.base}`);
    await rig.handover.keepUp([]);
    expect(rig.registry.held).toHaveLength(1);
    rig.inUse.clear();
    await rig.handover.keepUp([]);
    expect(rig.registry.held).toEqual([]);
  });

  it("keeps a manifest that another user's name needs too", async () => {
    rig.names.set(ada, "busybox").set(bob, "busybox");
    const reference = await rig.handover.reference(rig.needed(ada));
    await rig.handover.reference(rig.needed(bob));
    rig.names.delete(ada);
    await rig.handover.keepUp([]);
    expect(await rig.handover.reference(rig.needed(bob))).toBe(reference);
  });

  it("makes room by dropping what was not used for long, and collects", async () => {
    const [first, second] = [await rig.build("first"), await rig.build("second")];
    const size = (await rig.docker.getImage(rig.base).inspect()).Size;
    let now = 1;
    rig.handover = rig.open({ maxBytes: Math.round(size * 1.5), now: () => now++ });
    await rig.handover.reference(rig.needed(ada, first));
    const kept = await rig.handover.reference(rig.needed(ada, second));
    expect(rig.registry.held.map((held) => `registry.onboard:5000/${held}`)).toEqual([kept]);
    expect(rig.collected).toBeGreaterThan(0);
  });

  it("lets no user starve another by images that no run waits for", async () => {
    const [first, second, third] = [
      await rig.build("many-1"),
      await rig.build("many-2"),
      await rig.build("bobs"),
    ];
    const size = (await rig.docker.getImage(rig.base).inspect()).Size;
    rig.names.set(bob, `${bob}-tool`);
    let now = 1;
    rig.handover = rig.open({ maxBytes: Math.round(size * 1.5), now: () => now++ });
    rig.inUse.add(`${ada} ${first}`);
    await rig.handover.reference(rig.needed(ada, first));
    await expect(rig.handover.reference(rig.needed(bob, third))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    // Its run has started.
    rig.inUse.clear();
    await rig.handover.reference(rig.needed(ada, second));
    const kept = await rig.handover.reference(rig.needed(bob, third));
    expect(rig.registry.held.map((held) => `registry.onboard:5000/${held}`)).toEqual([kept]);
  });

  it("refuses when everything is in use", async () => {
    const other = await rig.build("other");
    const size = (await rig.docker.getImage(rig.base).inspect()).Size;
    rig.handover = rig.open({ maxBytes: Math.round(size * 1.5) });
    await rig.handover.reference(rig.needed(ada));
    rig.inUse.add(`${ada} ${rig.base}`);
    await expect(rig.handover.reference(rig.needed(ada, other))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    expect(rig.registry.held).toHaveLength(1);
  });

  it("stops at the free-space floor", async () => {
    rig.handover = rig.open({ room: () => 10 });
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(rig.registry.pushes()).toBe(0);
  });

  it("drops what was not used for long where free space is short", async () => {
    const other = await rig.build("instead");
    const size = (await rig.docker.getImage(rig.base).inspect()).Size;
    const free = () => (rig.registry.held.length === 0 && rig.collected > 0 ? size * 2 : 10);
    await rig.handover.reference(rig.needed(ada));
    rig.handover = rig.open({ room: free });
    rig.inUse.add(`${ada} ${rig.base}`);
    await expect(rig.handover.reference(rig.needed(ada, other))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    expect(rig.registry.held).toHaveLength(1);
    rig.inUse.clear();
    // What the registry holds is less than what the engine says of it: as much as it takes
    rig.database.exec(`UPDATE handed_images SET blobs = '[{"digest":"x","size":${size * 2}}]'`);
    expect(await rig.handover.reference(rig.needed(ada, other))).toContain(rig.registry.held[0]);
    expect(rig.registry.held).toHaveLength(1);
  });

  it("counts what a push that failed has left, and has it collected", async () => {
    rig.registry.fault = (method, path) =>
      method === "PUT" && path.includes("/manifests/") ? 500 : undefined;
    rig.handover = rig.open({ collectAt: 0 });
    await expect(rig.handover.reference(rig.needed(ada))).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
    });
    expect(rig.collected).toBe(0);
    rig.registry.fault = undefined;
    await rig.handover.keepUp([]);
    expect(rig.collected).toBe(1);
  });

  it("never collects while something is pushed", async () => {
    const other = await rig.build("beside");
    let pushing = false;
    let met = false;
    rig.handover = rig.open({
      collectAt: 0,
      collect: async () => {
        met ||= pushing;
      },
    });
    await rig.handover.reference(rig.needed(ada));
    rig.names.delete(ada);
    rig.names.set(bob, `${bob}-tool`);
    rig.registry.fault = async (method, path) => {
      if (method === "PUT" || method === "PATCH" || method === "POST") pushing = true;
      if (method === "GET" && path.includes("/manifests/")) pushing = false;
      return undefined;
    };
    const push = rig.handover.reference(rig.needed(bob, other));
    await Promise.all([push, rig.handover.keepUp([])]);
    expect(met).toBe(false);
    expect(rig.registry.held).toEqual([(await push).replace("registry.onboard:5000/", "")]);
  });
});
