import { expect, test } from "vitest";
import { splitWords } from "#lambdas/dialects/em/command-line.ts";
import type { Command } from "../api/types.ts";
import { againOf } from "./again.ts";

const command = (operation: string, input: Record<string, unknown>, lane = "em") =>
  ({ operation, input, lane }) as Command;
const RUN = {
  pod: "pod-a",
  mounts: [{ volume: "pod-a", at: "/data" }],
  image: "echo:1",
  kind: "GPU",
  onSameName: "replace",
  maxMs: 300_000,
  network: "user",
  defaultWorkdir: "/data",
  ports: [],
  envs: {},
};

test("a run is asked for with all that it had, but at once", () => {
  const input = {
    ...RUN,
    mounts: [{ volume: "other", at: "/data" }],
    command: ["/bin/sh", "-c", "echo 'a b'"],
    scheduledAt: 1,
    ports: [80],
    envs: { A: "1" },
  };
  expect(againOf(command("pod.run", input))).toEqual({
    method: "POST",
    path: "/em/pod/run",
    fields: {
      pod_name: "pod-a",
      pvc_name: "other",
      image: "echo:1",
      node: "GPU",
      max_duration: "5",
      command: "/bin/sh",
      args: `["-c","echo 'a b'"]`,
      ports: "[80]",
      envs: `{"A":"1"}`,
    },
  });
});

test.each(["plain", "/bin/a b", "it's", `"'\\ $`, "=x y"])("a program stays one word: %s", (program) => {
  const again = againOf(command("pod.run", { ...RUN, command: [program], args: ["x"] }));
  expect(splitWords(again!.fields.command!)).toEqual([program]);
});

test("builds of either form, and what only reads", () => {
  const fields = { pod_name: "v", dockerfile: "Dockerfile", context: ".", image: "i" };
  const { pod_name, ...rest } = fields;
  const asked = { method: "POST", path: "/em/pod/image/build", fields };
  expect(againOf(command("image.build", { ...rest, source: { volume: pod_name } }))).toEqual(asked);
  expect(againOf(command("image.build", { ...rest, volume: pod_name }))).toEqual(asked);
  expect(againOf(command("volume.list", { volume: "v" }))).toEqual({
    method: "GET",
    path: "/em/files/list",
    fields: { pod_name: "v" },
  });
});

test.each([
  command("volume.uplink", { volume: "v", count: 1, bytes: 1 }),
  command("volume.read", { volume: "v", path: "a", range: { start: 1 } }),
  command("image.build", { source: { staged: true }, dockerfile: "a", context: ".", image: "i" }),
  command("job.run", { pod: "p" }, "kabuto"),
  command("pod.stop", { pod: "p" }, "kabuto"),
  command("pod.run", { ...RUN, space: "kabuto" }),
  command("pod.run", { ...RUN, maxMs: 1 }),
  command("pod.run", { ...RUN, fpga: { image: "x" } }),
])("what is not whole, or another API's, is not offered: $operation", (one) => {
  expect(againOf(one)).toBeUndefined();
});
