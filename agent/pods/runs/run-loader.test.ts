import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { FakeRuntime } from "#test/support/fake-runtime.ts";
import { endOf, running, stateWhere, waitingFor } from "#test/support/pod-rig.ts";
import { PodManager } from "../pod-manager.ts";
import { Runtimes } from "../runtimes.ts";
import { NO_FPGA } from "./no-fpga.ts";
import type { LoadFailure, RunFpga } from "./run-fpga.ts";

const IMAGE = "0".repeat(32);
const HELD = { image: IMAGE, sha256: "ab".repeat(32) } as FpgaImage;

let runtime: FakeRuntime;
let db: DatabaseSync;
let manager: PodManager;
/** what happened, in order */
let events: string[];
let fpga: RunFpga;
let loaded: string | undefined;
let runs = 0;
beforeEach(() => {
  runtime = new FakeRuntime();
  runtime.nodes = async () => [{ name: "node1", kind: "FPGA", status: "True" }];
  const start = runtime.start.bind(runtime);
  runtime.start = async (spec) => {
    events.push(`start ${spec.run.at(-1)} with ${spec.devices}`);
    return start(spec);
  };
  db = new DatabaseSync(":memory:");
  events = [];
  loaded = undefined;
  fpga = {
    ...NO_FPGA,
    find: (_user, image) => (image === IMAGE ? HELD : undefined),
    choose: (_image, nodes, held) =>
      nodes.some(({ name }) => !held.has(name))
        ? { node: "node1" }
        : { waits: "every FPGA that takes the image is in use" },
    async load({ run }) {
      events.push(`load ${run.at(-1)}`);
      loaded = run;
      return undefined;
    },
    isLoaded: (node, run) => node === "node1" && loaded === run,
    filesOf: () => ["/dev/fpga0"],
    resourceOf: () => "vendor.test/fpga",
  };
  open();
});
afterEach(() => manager.close());

function open(): void {
  const resolveImage = async () => ({ id: "sha256:1" });
  const push = async () => "nobody" as const;
  const times = { retryMs: { first: 1, most: 5 }, logFlushMs: 5 };
  manager = new PodManager({ db, runtimes: new Runtimes(runtime), fpga, resolveImage, push }, times);
  manager.start();
}

function accept(pod: string, image = IMAGE): string {
  const id = `01JD6Z0V3E8T4Q5R6S7T8V9W0${runs++ % 10}`;
  manager.accept({
    id,
    user: "ada",
    volumes: {},
    input: {
      ...{ pod, mounts: [], image: "i", kind: "FPGA", onSameName: "replace", network: "user" },
      ...{ ports: [], envs: {}, fpga: { image } },
    },
  });
  return id;
}

describe("a run with an FPGA image", () => {
  test("is loaded, then started, with the files of its device; another one waits until it has ended", async () => {
    const first = accept("a");
    await stateWhere(manager, first, running);
    const second = accept("b");
    await stateWhere(manager, second, waitingFor("Unschedulable"));
    runtime.end(first);
    await stateWhere(manager, second, running);
    const of = (run: string) => [`load ${run.at(-1)}`, `start ${run.at(-1)} with /dev/fpga0`];
    expect(events).toEqual([...of(first), ...of(second)]);
    manager.end(second);
  });

  test.each<[string, () => void, string?]>([
    ["NOT_STORED", () => {}, "1".repeat(32)],
    ["NO_DEVICE", () => Object.assign(fpga, { choose: NO_FPGA.choose })],
    ["DEVICE_MISMATCH", () => fails("choose", "DEVICE_MISMATCH")],
    ["LOAD_TIMEOUT", () => fails("load", "LOAD_TIMEOUT")],
    ["LOAD_INTERRUPTED", () => Object.assign(fpga, { interruptions: () => 2 })],
    // what the journal says decides, not that a load came back
    ["LOAD_INTERRUPTED", () => Object.assign(fpga, { isLoaded: () => false })],
  ])("is never started after %s", async (code, make, image) => {
    make();
    expect(await endOf(manager, accept("a", image))).toMatchObject({
      ...{ exitCode: 128, reason: "FpgaLoadError", startedAt: null },
      message: expect.stringMatching(new RegExp(`^${code}: `)),
    });
    expect(runtime.calls).not.toContain("start");
  });

  test("shows what it waits for, and does not start once it was stopped in its load", async () => {
    const loading = Promise.withResolvers<void>();
    const load = fpga.load;
    fpga.load = async (of) => {
      await loading.promise;
      return load(of);
    };
    const run = accept("a");
    await stateWhere(manager, run, waitingFor("FpgaLoading"));
    const stopping = manager.stop("ada", "a");
    loading.resolve();
    await stopping;
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 128, reason: "Cancelled" });
    expect(runtime.calls).not.toContain("start");
  });

  test("is loaded again by an agent that comes after one which died in the load", async () => {
    fpga.load = () => new Promise(() => {});
    const run = accept("a");
    await stateWhere(manager, run, waitingFor("FpgaLoading"));
    await manager.close();
    fpga.load = async () => {
      events.push("load again");
      loaded = run;
      return undefined;
    };
    open();
    await stateWhere(manager, run, running);
    expect(events).toEqual(["load again", `start ${run.at(-1)} with /dev/fpga0`]);
    manager.end(run);
  });
});

function fails(at: "choose" | "load", code: string): void {
  const failure: LoadFailure = { code, message: "no" };
  Object.assign(fpga, at === "choose" ? { choose: () => failure } : { load: async () => failure });
}
