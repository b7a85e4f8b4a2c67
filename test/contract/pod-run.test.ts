import { beforeAll, describe, expect, it } from "vitest";
import type { Client, Fields } from "./support/client.ts";
import { expectInvalid, expectOk } from "./support/expectations.ts";
import { build, ownImages } from "./support/images.ts";
import {
  output,
  outputOf,
  RUN_OK,
  run,
  stateOf,
  until,
  untilRunning,
  untilTerminated,
} from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

let client: Client;

beforeAll(async () => {
  client = await user();
});

const good = () => ({
  image: target.image,
  max_duration: 5,
  node: "MPU",
  command: "true",
  pod_name: named("r"),
});
const send = (fields: Fields) => client.form("/em/pod/run", { ...good(), ...fields });

describe("fields", () => {
  it.each(["image", "max_duration", "node"])("%s is required", async (field) => {
    expectInvalid(await send({ [field]: "" }), field);
  });

  it.each(["FPGA", "GPU", "MPU", "fpga", "Gpu", "mpu"])("node %s is taken", async (node) => {
    const pod_name = named(`r-${node.toLowerCase()}`);
    expectOk(await send({ node, pod_name }), RUN_OK);
    expect(await untilTerminated(client, pod_name)).toMatchObject({ exitCode: 0, reason: "Completed" });
  });

  it.each(["CPU", "mpu1", "any", "FPGA,GPU"])("node %s is none", async (node) => {
    expectInvalid(await send({ node }), "node");
  });

  it.each(["0", "-1", "1.5", "1e2", "abc", "0x10", "NaN", "", "Infinity"])(
    "max_duration %s is none",
    async (max_duration) => {
      expectInvalid(await send({ max_duration }), "max_duration");
    },
  );

  it.each([
    "2025-05-22T12:10:00",
    "2025-05-22",
    "tomorrow",
    "12:10",
    "2025-13-01T00:00:00Z",
    "2025-02-30T00:00:00Z",
    "1748000000",
  ])("scheduled_time %s is none: no zone, or unreadable", async (scheduled_time) => {
    expectInvalid(await send({ scheduled_time }), "scheduled_time");
  });

  it.each(["Upper", "a b", "a//b", "-a", "a:", "", "a@sha256:12"])("image %j is none", async (image) => {
    expectInvalid(await send({ image }), "image");
  });

  it.each(["[0]", "[65536]", "[-1]", "['a']", "[1.5]", "0", "80,90"])("ports %s are none", async (ports) => {
    expectInvalid(await send({ ports }), "ports");
  });

  it.each(["1A", "A B", "", "A=B", "-A", "Ä"])("env name %j is none", async (name) => {
    expectInvalid(await send({ envs: JSON.stringify({ [name]: "1" }) }), "envs");
  });

  it("an unclosed quote, NUL and overlong words are refused", async () => {
    expectInvalid(await send({ command: "echo 'a", args: "['x']" }), "command");
    expectInvalid(await client.json("/em/pod/run", { ...good(), command: "echo \0" }), "command");
    expectInvalid(await client.json("/em/pod/run", { ...good(), args: ["x".repeat(200_000)] }), "args");
  });
});

describe("a run", () => {
  it("gets its envs, numbers as texts", async () => {
    const pod = named("r-env");
    const envs = '{"DURATION": 60, "SIZE": 1024, "a.b-c": "x=y z", "EMPTY": "", "_": "u"}';
    const said = await outputOf(client, pod, { envs, command: "env" });
    const lines = said.split("\n");
    expect(lines).toEqual(expect.arrayContaining(["DURATION=60", "SIZE=1024", "a.b-c=x=y z", "EMPTY="]));
  });

  it("has its volume at /data, and is called as the pod", async () => {
    const pod = named("r-data");
    await client.uplink({ "in.txt": "in" }, { pod_name: pod });
    expect(await outputOf(client, pod, { command: "cat /data/in.txt && hostname" })).toBe(`in${pod}\n`);
  });

  it("without pod_name is the default pod on the default volume", async () => {
    const name = named("default-run");
    const { pod_name: _, ...fields } = good();
    expectOk(await client.form("/em/pod/run", { ...fields, command: `echo d > /data/${name}` }), RUN_OK);
    const bare = async () => (await client.get("/em/pod/status")).json.data.state;
    await untilTerminated(client, "default");
    expect(await bare()).toEqual(await stateOf(client, "default"));
    expect((await client.get("/em/files/downlink", { filepath: name })).text).toBe("d\n");
    await client.form("/em/files/delete", { filepath: name });
  });

  it("with a time in the past starts at once", async () => {
    const pod = named("r-past");
    await run(client, pod, { scheduled_time: "2025-05-22T12:10:00+02:00", command: "echo now" });
    expect(await output(client, pod)).toBe("now\n");
  });

  it("waits for its time, then starts", async () => {
    const pod = named("r-soon");
    const at = new Date(Date.now() + 12_000);
    const local = `${new Date(at.getTime() + 2 * 3600_000).toISOString().slice(0, 19)}+02:00`;
    await run(client, pod, { scheduled_time: local, command: "echo in time" });
    const { waiting } = await stateOf(client, pod);
    expect(waiting?.reason).toBe("Scheduled");
    expect(waiting?.message).toContain(at.toISOString().slice(0, 19));
    const end = await untilTerminated(client, pod);
    expect(Date.parse(end.startedAt!)).toBeGreaterThanOrEqual(Math.floor(at.getTime() / 1000) * 1000);
    expect(end.exitCode).toBe(0);
  });

  it("of a large volume of output ends with all of it", async () => {
    const pod = named("r-much");
    const said = await outputOf(client, pod, { command: "seq 1 20000" });
    expect(said.trim().split("\n")).toHaveLength(20_000);
    expect(said.endsWith("\n20000\n")).toBe(true);
  });

  it("is held within limits: no privileges to mount, to trace or to touch devices", async () => {
    const pod = named("r-caps");
    const command =
      "mount -t tmpfs x /mnt 2>/dev/null && echo mounted; mknod /data/dev b 8 0 2>/dev/null && echo made; test -e /var/run/docker.sock && echo socket; grep -q 'NoNewPrivs:.1' /proc/self/status && echo nnp; true";
    expect(await outputOf(client, pod, { command })).toBe("nnp\n");
  });
});

describe("an image's name means", () => {
  it("the user's own before the public one", async () => {
    const name = target.image.replace(/:[^/]*$/, "");
    // a name with a registry's cannot be an own one
    if (/[.:].*\/|^localhost\//.test(name)) return;
    const theirs = await other();
    await build(theirs, target.image, "CMD echo my own");
    try {
      expect(await outputOf(theirs, named("r-own"), { command: "" })).toBe("my own\n");
      expect(await outputOf(client, named("r-own"), { command: "echo public" })).toBe("public\n");
    } finally {
      const gone = await theirs.form("/em/pod/image/delete", { image: target.image });
      expectOk(gone, { message: "Docker Image deleted successfully" });
    }
    expect(await outputOf(theirs, named("r-own"), { command: "echo public" })).toBe("public\n");
  });

  it("with the user's prefix the same image, never another user's", async () => {
    const image = named("r-pre");
    await build(client, image, "CMD echo prefixed");
    const prefixed = `${target.user.name}-${image}`;
    expect(await outputOf(client, named("r-pre"), { image: prefixed })).toBe("prefixed\n");
    const theirs = await other();
    for (const [i, name] of [image, prefixed, `localhost:5000/${prefixed}`].entries()) {
      const pod = named(`r-theirs${i}`);
      await run(theirs, pod, { image: name });
      await until(theirs, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
      await theirs.form("/em/pod/stop", { pod_name: pod });
    }
  });

  it("never an image ID or the beginning of one", async () => {
    const image = named("r-id");
    await build(client, image, "CMD echo by id");
    const id = String((await ownImages(client)).get(image)!.id).replace("sha256:", "");
    for (const [i, name] of [id.slice(0, 12), id.slice(0, 40)].entries()) {
      const pod = named(`r-id${i}`);
      await run(client, pod, { image: name });
      await until(client, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
      await client.form("/em/pod/stop", { pod_name: pod });
    }
    const whole = await send({ image: id });
    if (whole.status !== 400) {
      await until(client, named("r"), (state) => state.waiting?.reason === "ImagePullBackOff");
      await client.form("/em/pod/stop", { pod_name: named("r") });
    }
  });

  it("if it is nowhere, ImagePullBackOff in the words of the page", async () => {
    const pod = named("r-none");
    await run(client, pod, { image: "echo-test12" });
    const { waiting } = await until(client, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
    const name = `${target.user.name}-echo-test12`;
    expect(waiting!.message).toBe(
      `Back-off pulling image "${name}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/${name}:latest": failed to resolve reference "docker.io/library/${name}:latest": docker.io/library/${name}:latest: not found`,
    );
    await client.form("/em/pod/stop", { pod_name: pod });
  });

  it("the bits it had when the pod started", async () => {
    const image = named("r-bits");
    await build(client, image, "RUN echo old > /v");
    await run(client, image, { image, command: "trap 'cat /v; exit 0' TERM; echo up; sleep 3600 & wait" });
    await untilRunning(client, image);
    await build(client, image, "RUN echo new > /v");
    await client.form("/em/pod/stop", { pod_name: image });
    expect(await output(client, image)).toBe("up\nold\n");
  });
});
