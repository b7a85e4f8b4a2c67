import { beforeAll, describe, expect, it } from "vitest";
import type { Answer, Client, Fields } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { BUILD_OK, context, ownImages } from "./support/images.ts";
import { fileOf, output, RUN_OK } from "./support/pods.ts";
import { rawUpload } from "./support/raw-upload.ts";
import { named, target, user } from "./support/session.ts";

let client: Client;
const volume = named("bodies");

beforeAll(async () => {
  client = await user();
});

const WAYS = ["form", "encoded", "json"] as const;
const POSTS = [
  "/em/files/delete",
  "/em/pod/image/build",
  "/em/pod/image/load",
  "/em/pod/run",
  "/em/pvc/delete",
];

describe.each(WAYS)("a body as %s", (way) => {
  it("deletes a file", async () => {
    await client.uplink({ "a.txt": "a" }, { pod_name: volume });
    const answer = await client[way]("/em/files/delete", { filepath: "a.txt", pod_name: volume });
    expectOk(answer, { message: "File deleted successfully" });
  });

  it("builds an image", async () => {
    const image = named(`body-${way}`);
    await context(client, image, `LABEL way=${way}`);
    const fields = {
      dockerfile: `${image}/Dockerfile`,
      context: `${image}/`,
      image,
      pod_name: named("build"),
      extra: "x",
    };
    expectOk(await client[way]("/em/pod/image/build", fields), BUILD_OK);
    expect([...(await ownImages(client)).keys()]).toContain(image);
  });

  it("is read by image/load", async () => {
    const fields = { tarfile: "no.tar", image: named("no"), pod_name: volume };
    const answer = await client[way]("/em/pod/image/load", fields);
    expectRefusal(answer, 400, "IMAGE_LOAD_FAILED", "Docker Image tarfile failed to load");
  });

  it("runs a pod, and an empty string means not given", async () => {
    const pod_name = named(`body-${way}`);
    const fields = {
      image: target.image,
      max_duration: 5,
      node: "mpu",
      command: `echo by ${way} > /data/out`,
      pod_name,
      pvc_name: "",
      scheduled_time: "",
      ports: "",
      envs: "",
      args: "",
      unknown: "ignored",
    };
    expectOk(await client[way]("/em/pod/run", fields), RUN_OK);
    await output(client, pod_name);
    expect((await fileOf(client, pod_name, "out")).toString()).toBe(`by ${way}\n`);
    expectOk(await client[way]("/em/pvc/delete", { pvc_name: pod_name }), {
      message: "Volume deleted successfully",
    });
  });
});

describe("lists and dictionaries", () => {
  const run = (fields: Fields, pod: string) =>
    client.form("/em/pod/run", {
      image: target.image,
      max_duration: 5,
      node: "MPU",
      pod_name: pod,
      ...fields,
    });
  const show = "for a; do echo \"arg<$a>\"; done; env | grep '^K_'";

  it("reads args and envs in every form they come in", async () => {
    const args = ["-c", show, "sh", "--debug", "-f", "out put.dat", "it's"];
    const json = JSON.stringify(args);
    const python = `['-c', ${JSON.stringify(show)}, 'sh', '--debug', '-f', 'out put.dat', "it's"]`;
    const envs = { K_INT: 60, K_BIG: 9007199254740993n, K_FLOAT: 1.5, K_TEXT: "a b", K_TRUE: true };
    const asJson = '{"K_INT": 60, "K_BIG": 9007199254740993, "K_FLOAT": 1.5, "K_TEXT": "a b"}';
    const asPython = "{'K_INT': 60, 'K_BIG': 9007199254740993, 'K_FLOAT': 1.5, 'K_TEXT': 'a b',}";
    const ways: Record<string, () => Promise<Answer>> = {
      json: () =>
        run({ command: "/bin/sh", args: json, envs: asJson, ports: "[80, 1999, 14]" }, named("l-json")),
      python: () =>
        run({ command: "/bin/sh", args: python, envs: asPython, ports: "(80, 1999)" }, named("l-python")),
      repeated: () => run({ command: "/bin/sh", args, envs: asJson, ports: [80, 1999] }, named("l-repeated")),
      body: () =>
        client.request("POST", "/em/pod/run", {
          headers: { "content-type": "application/json" },
          body: `{"image":${JSON.stringify(target.image)},"max_duration":5,"node":"MPU","command":"/bin/sh","args":${json},"envs":${asJson},"ports":[80,1999],"pod_name":"${named("l-body")}"}`,
        }),
    };
    for (const send of Object.values(ways)) expectOk(await send(), RUN_OK);
    for (const way of Object.keys(ways)) {
      const lines = (await output(client, named(`l-${way}`))).trim().split("\n");
      expect(lines.filter((line) => line.startsWith("arg"))).toEqual([
        "arg<--debug>",
        "arg<-f>",
        "arg<out put.dat>",
        "arg<it's>",
      ]);
      expect(lines.filter((line) => line.startsWith("K_")).sort()).toEqual([
        `K_BIG=${envs.K_BIG}`,
        "K_FLOAT=1.5",
        "K_INT=60",
        "K_TEXT=a b",
      ]);
    }
  });

  it("refuses what is none", async () => {
    expectInvalid(await run({ ports: "[80" }, volume), "ports");
    expectInvalid(await run({ ports: "{'a': 1}" }, volume), "ports");
    expectInvalid(await run({ args: "['a', ['b']]" }, volume), "args");
    expectInvalid(await run({ args: "['a'; 'b']" }, volume), "args");
    expectInvalid(await run({ envs: "['A']" }, volume), "envs");
    expectInvalid(await run({ envs: "A=1" }, volume), "envs");
    expectInvalid(await run({ envs: "{'A': [1]}" }, volume), "envs");
    expectInvalid(await run({ envs: "__import__('os')" }, volume), "envs");
  });
});

describe("bodies that cannot be read", () => {
  it.each(POSTS)("%s: 415 for another kind", async (path) => {
    for (const type of ["text/plain", "application/xml", "application/octet-stream"]) {
      const answer = await client.request("POST", path, { headers: { "content-type": type }, body: "a=b" });
      expectRefusal(answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
  });

  it.each(POSTS)("%s: 400 for broken ones", async (path) => {
    const send = (type: string, body: string | Uint8Array) =>
      client.request("POST", path, { headers: { "content-type": type }, body });
    for (const body of ["{", "[1]", "null", "1", '"x"', "{'a': 1}"]) {
      expectRefusal(await send("application/json", body), 400, "INVALID_PARAMETERS");
    }
    expectRefusal(
      await send("application/json", new Uint8Array([0x7b, 0xff, 0x7d])),
      400,
      "INVALID_PARAMETERS",
    );
    expectRefusal(await send("multipart/form-data", "x"), 400, "INVALID_PARAMETERS");
    expectRefusal(await send("multipart/form-data; boundary=b", "--b\r\nhalf"), 400, "INVALID_PARAMETERS");
  });

  it.each(POSTS)("%s: 400 for none, naming what is missing", async (path) => {
    expectRefusal(await client.request("POST", path), 400, "INVALID_PARAMETERS", /required/);
  });

  it.each(POSTS)("%s: 413 over 1 MiB", async (path) => {
    const large = { image: "x".repeat(1024 * 1024 + 1) };
    expectRefusal(await client.form(path, large), 413, "BODY_TOO_LARGE");
    expectRefusal(await client.json(path, large), 413, "BODY_TOO_LARGE");
  });

  it("413 also when no length was told, and for a length that is not sent", {
    tags: ["server"],
  }, async () => {
    const chunked = await raw("/em/pod/run", { "transfer-encoding": "chunked" }, "x".repeat(2 * 1024 * 1024));
    expectRefusal(chunked, 413, "BODY_TOO_LARGE");
    const told = await raw("/em/pod/run", { "content-length": String(3 * 1024 * 1024) }, "");
    expectRefusal(told, 413, "BODY_TOO_LARGE");
  });

  it("takes what is just under it", async () => {
    const answer = await client.json("/em/files/delete", {
      filepath: "missing",
      pod_name: volume,
      padding: "x".repeat(1024 * 1024 - 200),
    });
    expectRefusal(answer, 400, "DELETE_FAILED");
  });
});

/** A request whose body is sent as it is told, never ended when it is short. */
async function raw(path: string, headers: Record<string, string>, body: string): Promise<Answer> {
  const type = { "content-type": "application/x-www-form-urlencoded" };
  const { request, answer } = rawUpload(client, path, { ...type, ...headers });
  request.write(body || "x");
  if (headers["transfer-encoding"]) request.end();
  try {
    return await answer;
  } finally {
    request.destroy();
  }
}
