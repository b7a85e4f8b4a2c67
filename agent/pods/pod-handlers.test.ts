import { writeFileSync } from "node:fs";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { InputOf, OperationName } from "#protocol/operations.ts";
import { endOf, PodRig } from "#test/support/pod-rig.ts";
import type { OperationContext } from "../operation.ts";
import { LABEL } from "./labels.ts";
import { podHandlers } from "./pod-handlers.ts";
import type { PodManager } from "./pod-manager.ts";

describe("podHandlers", () => {
  let rig: PodRig;
  let manager: PodManager;
  let handlers: ReturnType<typeof podHandlers>;
  const ensured: string[] = [];
  beforeAll(async () => {
    rig = await PodRig.create();
    manager = rig.manager({ startWaitMs: 0 });
    handlers = podHandlers(manager, {
      ensureVolume: async (user, volume) => {
        ensured.push(`${user}/${volume}`);
        return rig.volume(`${user}-${volume}`);
      },
      hasVolume: (user, volume) => ensured.includes(`${user}/${volume}`),
    });
  });
  afterAll(() => rig.cleanUp());

  function context<O extends OperationName>(
    operation: O,
    input: InputOf<O>,
    over: { id?: string; user?: string; signal?: AbortSignal } = {},
  ): OperationContext<O> {
    const unexpected = () => {
      throw new Error("not expected here");
    };
    return {
      command: { id: over.id ?? ulid(), user: over.user ?? "ada", operation },
      input,
      signal: over.signal ?? new AbortController().signal,
      handleCancel: unexpected,
      killed: new AbortController().signal,
      acquire: unexpected,
      release: () => undefined,
      progress: () => undefined,
      manifest: unexpected,
      fetch: unexpected,
      fetchInto: unexpected,
      store: unexpected,
      spool: unexpected,
      journal: { notes: [], note: unexpected, noteSoon: unexpected },
    };
  }

  test("pod.run makes the volume, is durable, and does not wait for the start; again, it is the same run", async () => {
    const id = ulid();
    const input = rig.input({
      pod: "pa",
      mounts: [{ volume: "va", at: "/data" }],
      command: ["/bin/sh", "-c", "echo x >> count"],
    });
    expect(await handlers["pod.run"](context("pod.run", input, { id }))).toEqual({});
    expect(ensured).toEqual(["ada/va"]);
    expect(manager.has(id)).toBe(true);
    expect(await handlers["pod.status"](context("pod.status", { pod: "pa" }))).toEqual({
      state: { waiting: { reason: "ContainerCreating" } },
    });
    await endOf(manager, id);
    const cancelled = AbortSignal.abort(new Error("cancelled"));
    // Recorded already: a cancel on the second try comes too late.
    expect(await handlers["pod.run"](context("pod.run", input, { id, signal: cancelled }))).toEqual({});
    expect(rig.read("ada-va", "count")).toBe("x\n");
    expect(await handlers["pod.stop"](context("pod.stop", { pod: "pa" }))).toEqual({});
  });

  test("pod.start is a new run of all that the latest was asked for, once it has terminated", async () => {
    const first = ulid();
    const script = "echo x >> again; while [ ! -e end ]; do sleep 0.05; done";
    const over = { command: ["/bin/sh", "-c", script], envs: { A: "1" }, limits: { pids: 50 } };
    const input = rig.input({ pod: "pg", mounts: [{ volume: "vg", at: "/data" }], ...over });
    await handlers["pod.run"](context("pod.run", { ...input, scheduledAt: 1 }, { id: first }));
    const start = (id: string) => handlers["pod.start"](context("pod.start", { pod: "pg" }, { id }));
    await expect(start(ulid())).rejects.toMatchObject({ code: "POD_EXISTS" });
    writeFileSync(`${rig.volume("ada-vg")}/end`, "");
    await endOf(manager, first);
    const id = ulid();
    for (let again = 0; again < 2; again++) expect(await start(id)).toEqual({});
    await endOf(manager, id);
    expect(rig.read("ada-vg", "again")).toBe("x\nx\n");
    const { scheduledAt: _, ...spec } = input;
    expect(manager.specificationOf("ada", "pg")).toEqual({
      input: { ...spec, onSameName: "refuse" },
      pinnedImage: rig.images.get(spec.image),
    });
    await expect(handlers["pod.start"](context("pod.start", { pod: "never" }))).rejects.toMatchObject({
      code: "POD_NOT_FOUND",
    });
  });

  test("pod.start mounts what it is told to, and runs the image that the first run had, whatever has its name now", async () => {
    const command = ["/bin/sh", "-c", "echo y >> /data/seen"];
    const input = rig.input({ pod: "ph", mounts: [{ volume: "vh", at: "/data" }], image: "named", command });
    rig.images.set("named", rig.images.get("busybox")!);
    const first = ulid();
    await handlers["pod.run"](context("pod.run", input, { id: first }));
    await endOf(manager, first);
    rig.images.delete("named");
    const id = ulid();
    const mounts = [{ volume: "vi", at: "/data" }];
    await handlers["pod.start"](context("pod.start", { pod: "ph", mounts }, { id }));
    expect(await endOf(manager, id)).toMatchObject({ reason: "Completed" });
    expect([rig.read("ada-vh", "seen"), rig.read("ada-vi", "seen")]).toEqual(["y\n", "y\n"]);
  });

  test("a volume that must exist is not made: without it nothing is run", async () => {
    const id = ulid();
    const mounts = [{ volume: "vm", at: "/data", mustExist: true }];
    const input = rig.input({ pod: "pm", mounts, command: ["/bin/true"] });
    const refused = handlers["pod.run"](context("pod.run", input, { id }));
    await expect(refused).rejects.toMatchObject({ code: "VOLUME_NOT_FOUND", data: { at: "/data" } });
    expect([manager.has(id), ensured.includes("ada/vm")]).toEqual([false, false]);
    ensured.push("ada/vm");
    expect(await handlers["pod.run"](context("pod.run", input, { id }))).toEqual({});
    await endOf(manager, id);
  });

  test("a run that says so has its own time between SIGTERM and SIGKILL", async () => {
    const id = ulid();
    const command = ["/bin/sh", "-c", "trap '' TERM; echo x > ready; while :; do sleep 0.1; done"];
    const mounts = [{ volume: "vt", at: "/data" }];
    const input = rig.input({ pod: "pt", mounts, command, graceMs: 100 });
    await handlers["pod.run"](context("pod.run", input, { id }));
    await vi.waitFor(() => expect(rig.read("ada-vt", "ready")).toBe("x\n"), { timeout: 60_000 });
    const stop = vi.spyOn(rig.runtime().constructor.prototype, "stop");
    await handlers["pod.stop"](context("pod.stop", { pod: "pt" }));
    expect(await endOf(manager, id)).toMatchObject({ exitCode: 137 });
    expect(stop).toHaveBeenCalled();
    expect(stop.mock.calls.every(([, graceMs]) => (graceMs as number) <= 100)).toBe(true);
    stop.mockRestore();
  });

  test("pod.remove kills the pod and forgets its runs, without contact too; again, it is no error", async () => {
    const ended = ulid();
    const input = rig.input({ pod: "pr", command: ["/bin/sh", "-c", "echo once"] });
    await handlers["pod.run"](context("pod.run", input, { id: ended }));
    await endOf(manager, ended);
    rig.contact = () => {
      throw new Error("no contact");
    };
    try {
      const id = ulid();
      const command = ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"];
      await handlers["pod.run"](context("pod.run", { ...input, command }, { id }));
      await manager.until(id, ({ phase }) => phase === "running", new AbortController().signal);
      for (let again = 0; again < 2; again++) {
        expect(await handlers["pod.remove"](context("pod.remove", { pod: "pr" }))).toEqual({});
      }
      expect([manager.has(ended), manager.has(id)]).toEqual([false, false]);
      expect((await rig.containers()).filter(({ Labels }) => Labels[LABEL.pod] === "pr")).toEqual([]);
    } finally {
      rig.contact = () => undefined;
    }
    await expect(handlers["pod.status"](context("pod.status", { pod: "pr" }))).rejects.toMatchObject({
      code: "POD_NOT_FOUND",
    });
  });

  test("a pod with a host name is reached by it, and tells its address while it runs", async () => {
    const id = ulid();
    const command = ["/bin/sh", "-c", "nc -l -p 80 -e echo hello"];
    const input = rig.input({ pod: "pn", hostname: "web", address: true, command });
    await handlers["pod.run"](context("pod.run", input, { id }));
    const report = () => manager.reports().find(({ run }) => run === id);
    await manager.until(id, ({ phase }) => phase === "running", new AbortController().signal);
    expect([report()?.address]).toEqual(await rig.addresses(id));
    const other = ulid();
    const ask = ["/bin/sh", "-c", "until nc web 80 > got; do sleep 0.05; done"];
    await handlers["pod.run"](context("pod.run", rig.input({ pod: "po", command: ask }), { id: other }));
    await endOf(manager, other);
    expect(rig.read("ada-po", "got")).toBe("hello\n");
    await endOf(manager, id);
    expect(report()).not.toHaveProperty("address");
  });

  test("pod.run in a space mounts the volumes of that space", async () => {
    const id = ulid();
    const command = ["/bin/sh", "-c", "echo x >> spaced"];
    const input = rig.input({ pod: "ps", space: "kabuto", mounts: [{ volume: "vs", at: "/data" }], command });
    await handlers["pod.run"](context("pod.run", input, { id }));
    expect(ensured).toContain("ada/vs.kabuto");
    expect(manager.isVolumeInUse("ada", "vs.kabuto")).toBe(true);
    expect(manager.isVolumeInUse("ada", "vs")).toBe(false);
    expect(manager.isImageInUse("ada.kabuto", "busybox", "latest")).toBe(true);
    expect(manager.isImageInUse("ada", "busybox", "latest")).toBe(false);
    await endOf(manager, id);
    expect(rig.read("ada-vs.kabuto", "spaced")).toBe("x\n");
  });

  test("pod.run that is cancelled before it is recorded leaves nothing", async () => {
    const id = ulid();
    const signal = AbortSignal.abort(new Error("cancelled"));
    await expect(
      handlers["pod.run"](context("pod.run", rig.input({ pod: "pb" }), { id, signal })),
    ).rejects.toThrow("cancelled");
    expect(manager.has(id)).toBe(false);
  });

  test("pod.status and pod.stop know the user's own pods only", async () => {
    for (const user of ["bob", "ad"]) {
      const over = { user };
      await expect(handlers["pod.status"](context("pod.status", { pod: "pa" }, over))).rejects.toMatchObject({
        code: "POD_NOT_FOUND",
      });
      await expect(handlers["pod.stop"](context("pod.stop", { pod: "pa" }, over))).rejects.toMatchObject({
        code: "POD_NOT_FOUND",
      });
    }
  });

  test("pod.stop that is cut short throws why, and the pod stops all the same", async () => {
    const id = ulid();
    const command = ["/bin/sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.05; done"];
    await handlers["pod.run"](context("pod.run", rig.input({ pod: "pc", command }), { id }));
    const abort = new AbortController();
    const stopping = handlers["pod.stop"](context("pod.stop", { pod: "pc" }, { signal: abort.signal }));
    abort.abort(new Error("deadline"));
    await expect(stopping).rejects.toThrow("deadline");
    expect((await endOf(manager, id)).exitCode).toBeGreaterThan(0);
  });

  test("nodes.status tells names and states in the order of the configuration", async () => {
    expect(await handlers["nodes.status"](context("nodes.status", {}))).toEqual({
      nodes: [
        { name: "fpga", status: "True" },
        { name: "gpu", status: "False" },
        { name: "mpu1", status: "True" },
        { name: "mpu2", status: "True" },
      ],
    });
  });
});
