import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { EmServer } from "#test/support/em-server.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const last = () => em.dispatch.requests.at(-1);
const RUN = { image: "python:3.11-alpine", max_duration: "30", node: "FPGA" };

async function json(response: Promise<Response> | Response) {
  const answered = await response;
  return { status: answered.status, body: await answered.json() };
}

describe("which pod and volume", () => {
  const type = { "content-type": "application/json" };

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ["neither", {}, { pod: "default", volume: "default" }],
    ["empty", { pod_name: "", pvc_name: "" }, { pod: "default", volume: "default" }],
    ["pod_name", { pod_name: "pod-a" }, { pod: "pod-a", volume: "pod-a" }],
    ["pvc_name", { pvc_name: "vol-b" }, { pod: "default", volume: "vol-b" }],
    ["both", { pod_name: "pod-a", pvc_name: "vol-b" }, { pod: "pod-a", volume: "vol-b" }],
  ])("%s", async (_name, fields, { pod, volume }) => {
    await em.form("/em/pod/run", { ...RUN, ...fields });
    expect(last()!.input).toMatchObject({ pod, mounts: [{ volume, at: "/data" }] });
    em.dispatch.outcome = { result: { listing: "[]", truncated: false } };
    await em.fetch(`/em/files/list?${new URLSearchParams(fields)}`);
    expect(last()!.input).toEqual({ volume });
    await em.fetch("/em/files/list", { method: "POST", body: JSON.stringify(fields), headers: type });
    expect(last()!.input).toEqual({ volume });
    await em.form("/em/files/list", fields);
    expect(last()!.input).toEqual({ volume });
    em.dispatch.outcome = { result: { state: { waiting: { reason: "Scheduled" } } } };
    await em.fetch(`/em/pod/status?${new URLSearchParams(fields)}`);
    expect(last()!.input).toEqual({ pod });
  });

  test.each(["A", "1a", "a_b", "-a", "a-", "a".repeat(64), "a.b", "../a", "a/b", "a b"])(
    "refuses %j",
    async (name) => {
      for (const field of ["pod_name", "pvc_name"]) {
        const { status, body } = await json(
          em.fetch(`/em/files/list?${new URLSearchParams({ [field]: name })}`),
        );
        expect({ status, body }).toMatchObject({
          status: 400,
          body: { error: "INVALID_PARAMETERS", message: expect.stringContaining(field) },
        });
      }
      expect(em.dispatch.requests).toEqual([]);
    },
  );

  test("pvc/delete never means the default volume by silence", async () => {
    expect((await em.form("/em/pvc/delete", {})).status).toBe(400);
    await em.form("/em/pvc/delete", { pod_name: "a" });
    expect(last()!.input).toEqual({ volume: "a" });
  });
});

describe("pod/run", () => {
  test("every field, in a form", async () => {
    await em.form("/em/pod/run", {
      ...RUN,
      node: "mpu",
      pod_name: "experiment-radiation",
      scheduled_time: "2025-05-22T12:10:00+02:00",
      command: "run 'a b'",
      ports: "[80, 1999, 14, 80]",
      envs: `{'DURATION': 60, "SIZE": 1.50, 'a.b-c': 'x'}`,
      args: "['--debug', '-f', 'output.dat']",
      surprise: "ignored",
    });
    expect(last()!.input).toEqual({
      pod: "experiment-radiation",
      mounts: [{ volume: "experiment-radiation", at: "/data" }],
      image: "python:3.11-alpine",
      kind: "MPU",
      onSameName: "replace",
      maxMs: 30 * 60_000,
      network: "user",
      defaultWorkdir: "/data",
      scheduledAt: Date.parse("2025-05-22T10:10:00Z"),
      command: ["run", "a b"],
      args: ["--debug", "-f", "output.dat"],
      ports: [80, 1999, 14],
      envs: { DURATION: "60", SIZE: "1.50", "a.b-c": "x" },
    });
  });

  test("every field, in JSON", async () => {
    const body = `{"image": "x", "max_duration": 5, "node": "Gpu", "ports": [80], "envs": {"A": 1.10, "B": true},
      "args": ["-v"], "command": null, "scheduled_time": "", "pod_name": "p"}`;
    await em.fetch("/em/pod/run", { method: "POST", body, headers: { "content-type": "application/json" } });
    expect(last()!.input).toEqual({
      pod: "p",
      mounts: [{ volume: "p", at: "/data" }],
      image: "x",
      kind: "GPU",
      onSameName: "replace",
      maxMs: 5 * 60_000,
      network: "user",
      defaultWorkdir: "/data",
      args: ["-v"],
      ports: [80],
      envs: { A: "1.10", B: "true" },
    });
  });

  test("lists as repeated fields, empty ones not given", async () => {
    await em.form("/em/pod/run", { ...RUN, ports: ["80", "443"], args: ["-a", "-b"], envs: "", command: "" });
    expect(last()!.input).toMatchObject({ ports: [80, 443], args: ["-a", "-b"], envs: {} });
    await em.form("/em/pod/run", { ...RUN, ports: "", args: "" });
    expect(last()!.input).not.toHaveProperty("args");
    expect(last()!.input).toMatchObject({ ports: [] });
  });

  test("a command with shell characters goes to the shell", async () => {
    const command = "echo 'is it this simple to run in space?' > hello-space.txt";
    await em.form("/em/pod/run", { ...RUN, command });
    expect(last()!.input).toMatchObject({ command: ["/bin/sh", "-c", command] });
  });

  test.each<[string, Record<string, string | string[]>]>([
    ["image", { image: "" }],
    ["image", { image: "Not An Image" }],
    ["max_duration", { max_duration: "" }],
    ["max_duration", { max_duration: "0" }],
    ["max_duration", { max_duration: "-1" }],
    ["max_duration", { max_duration: "1.5" }],
    ["max_duration", { max_duration: "ten" }],
    ["node", { node: "" }],
    ["node", { node: "CPU" }],
    ["node", { node: "mpu1" }],
    ["scheduled_time", { scheduled_time: "2025-05-22T12:10:00" }],
    ["scheduled_time", { scheduled_time: "soon" }],
    ["ports", { ports: "[0]" }],
    ["ports", { ports: "[65536]" }],
    ["ports", { ports: "['http']" }],
    ["ports", { ports: "[80" }],
    ["envs", { envs: "{'1A': 'x'}" }],
    ["envs", { envs: "{'A B': 'x'}" }],
    ["envs", { envs: "{'': 'x'}" }],
    ["envs", { envs: "A=1" }],
    ["envs", { envs: '{"A": "x\\u0000y"}' }],
    ["envs", { envs: JSON.stringify({ A: "x".repeat(128 * 1024) }) }],
    ["args", { args: "[['a']]" }],
    ["command", { command: "echo 'open", args: "['x']" }],
    ["pod_name", { pod_name: "No" }],
  ])("400 names %s: %j", async (field, fields) => {
    // also while the edge is busy
    em.dispatch.refusal = new PerigeeError("LOCKED", "CG2 is busy");
    const answer = await json(em.form("/em/pod/run", { ...RUN, ...fields }));
    expect(answer).toMatchObject({
      status: 400,
      body: { error: "INVALID_PARAMETERS", message: expect.stringContaining(field) },
    });
  });
});

describe("paths", () => {
  test("delete: a leading slash is the volume's root", async () => {
    await em.form("/em/files/delete", { filepath: "/echo-test//./Dockerfile/" });
    expect(last()!.input).toEqual({ volume: "default", path: "echo-test/Dockerfile" });
  });

  test("delete: out of the volume 403, the root itself 400, nothing 400", async () => {
    const remove = (filepath: string) => json(em.form("/em/files/delete", { filepath }));
    expect(await remove("../x")).toMatchObject({ status: 403, body: { error: "ILLEGAL_PATH" } });
    expect(await remove("/../x")).toMatchObject({ status: 403 });
    for (const root of ["/", ".", "./", "a/.."]) {
      expect(await remove(root)).toMatchObject({ status: 400, body: { error: "DELETE_FAILED" } });
    }
    expect(await remove("")).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
    expect(em.dispatch.requests).toEqual([]);
  });

  test("downlink: no path 400, out of the volume or absolute 403", async () => {
    const get = (query: string) => json(em.fetch(`/em/files/downlink${query}`));
    expect(await get("")).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
    expect(await get("?filepath=")).toMatchObject({ status: 400 });
    expect(await get("?filepath=a%00b")).toMatchObject({ status: 400 });
    for (const path of ["../a", "/etc/passwd", "a/../../b"]) {
      expect(await get(`?filepath=${encodeURIComponent(path)}`)).toMatchObject({
        status: 403,
        body: { error: "ILLEGAL_PATH" },
      });
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test("build and load: a path out of the volume fails as a missing one does", async () => {
    for (const bad of ["../x", "/x"]) {
      expect(
        await json(em.form("/em/pod/image/build", { dockerfile: bad, context: ".", image: "x" })),
      ).toMatchObject({
        status: 400,
        body: {
          error: "BUILD_FAILED",
          message: "Docker build failed",
          log_tail: [expect.stringContaining("dockerfile")],
        },
      });
      expect(await json(em.form("/em/pod/image/load", { tarfile: bad, image: "x" }))).toMatchObject({
        status: 400,
        body: {
          error: "IMAGE_LOAD_FAILED",
          message: "Docker Image tarfile failed to load",
          log_tail: [expect.any(String)],
        },
      });
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test("build and load: image names without host and digest, tag latest by default", async () => {
    await em.form("/em/pod/image/build", {
      dockerfile: "d/Dockerfile",
      context: ".",
      image: "x",
      pod_name: "p",
    });
    expect(last()!.input).toEqual({
      source: { volume: "p" },
      dockerfile: "d/Dockerfile",
      context: "",
      image: "x:latest",
    });
    await em.form("/em/pod/image/load", { tarfile: "./i.tar", image: "x:1" });
    expect(last()!.input).toEqual({ volume: "default", tarfile: "i.tar", image: "x:1" });
    for (const image of ["host.io/x", "X", ""]) {
      expect((await em.form("/em/pod/image/build", { dockerfile: "d", context: ".", image })).status).toBe(
        400,
      );
      expect((await em.form("/em/pod/image/load", { tarfile: "i", image })).status).toBe(400);
      expect((await em.form("/em/pod/image/delete", { image })).status).toBe(400);
    }
  });
});
