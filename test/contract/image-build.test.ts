import { beforeAll, describe, expect, it } from "vitest";
import type { Client, Fields } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { BUILD_OK, build, ownImages } from "./support/images.ts";
import { output, outputOf, run, stateOf, until } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

let client: Client;
const volume = named("build");

beforeAll(async () => {
  client = await user();
});

const send = (fields: Fields) => client.form("/em/pod/image/build", { pod_name: volume, ...fields });

/** Builds a Dockerfile given as text, with `files` as its context. */
async function buildText(image: string, dockerfile: string, files: Record<string, string> = { file: "x" }) {
  await client.uplink({ [`${image}.dockerfile`]: dockerfile }, { pod_name: volume });
  await client.uplink(files, { pod_name: volume, dest_path: image });
  return send({ dockerfile: `${image}.dockerfile`, context: image, image });
}

function expectFailed(answer: Awaited<ReturnType<typeof send>>, tail: RegExp): string[] {
  const body = expectRefusal(answer, 400, "BUILD_FAILED", "Docker build failed");
  expect(Object.keys(body)).toEqual(["error", "message", "log_tail"]);
  expect(body.log_tail.length).toBeLessThanOrEqual(100);
  for (const line of body.log_tail) expect(line).toMatch(/^[^\n]*\n$/);
  expect(body.log_tail.join("")).toMatch(tail);
  return body.log_tail;
}

describe("a build", () => {
  it("succeeds, and the image runs with its own command", async () => {
    const image = named("b-ok");
    await build(client, image, 'COPY hello.sh /hello.sh\nCMD ["sh", "/hello.sh"]', {
      "hello.sh": "echo hello",
    });
    expect(await outputOf(client, image, { image })).toBe("hello\n");
  });

  it("takes a Dockerfile from outside the context, paths with dots, and the volume's root as context", async () => {
    const image = named("b-paths");
    await client.uplink(
      { "df/D.space": `FROM ${target.image}\nCOPY ctx/f /f\n`, "ctx/f": "f" },
      { pod_name: volume },
    );
    expectOk(await send({ dockerfile: "./df/D.space", context: ".", image }), BUILD_OK);
    await client.uplink({ "df/D2": `FROM ${target.image}\nCOPY f /f\n` }, { pod_name: volume });
    expectOk(await send({ dockerfile: "df/../df/D2", context: "ctx/", image: `${image}:v2` }), BUILD_OK);
  });

  it("knows a tag in the image's name, and says latest without one", async () => {
    const image = named("b-tag");
    await build(client, image, "LABEL v=1");
    await client.uplink({ D: `FROM ${target.image}\nCMD echo two\n`, "c/x": "" }, { pod_name: volume });
    expectOk(await send({ dockerfile: "D", context: "c", image: `${image}:two` }), BUILD_OK);
    const tags = (await client.get("/em/pod/image/list")).json.data
      .filter(({ name }: { name: string }) => name === image)
      .map(({ tag }: { tag: string }) => tag);
    expect(tags.sort()).toEqual(["latest", "two"]);
    expect(await outputOf(client, image, { image: `${image}:two` })).toBe("two\n");
  });

  it("replaces an image of that name", async () => {
    const image = named("b-again");
    await build(client, image, "CMD echo one");
    await build(client, image, "CMD echo two");
    expect(await outputOf(client, image, { image })).toBe("two\n");
  });

  it("runs its steps, keeps an ignore file, and heeds ENTRYPOINT and WORKDIR", async () => {
    const image = named("b-steps");
    const dockerfile = [
      `FROM ${target.image}`,
      "WORKDIR /w",
      "COPY . .",
      "RUN ls > /listed && echo step >> /listed",
      'ENTRYPOINT ["cat"]',
      'CMD ["/listed"]',
    ].join("\n");
    const answer = await buildText(image, dockerfile, {
      a: "a",
      secret: "s",
      ".dockerignore": "secret\n.docker*\n",
    });
    expectOk(answer, BUILD_OK);
    expect(await outputOf(client, image, { image })).toBe("a\nstep\n");
  });

  it("may stand on an image of the user's own, under any of its names", async () => {
    const base = named("b-base");
    await build(client, base, "RUN echo base > /base");
    for (const [i, from] of [base, `${base}:latest`, `${target.user.name}-${base}`].entries()) {
      const image = named(`b-on${i}`);
      expectOk(await buildText(image, `FROM ${from}\nCMD cat /base\n`), BUILD_OK);
    }
    expect(await outputOf(client, named("b-on0"), { image: named("b-on0") })).toBe("base\n");
  });

  it("has several stages", async () => {
    const image = named("b-stages");
    const dockerfile = `FROM ${target.image} AS one\nRUN echo made > /made\nFROM ${target.image}\nCOPY --from=one /made /made\nCMD cat /made\n`;
    expectOk(await buildText(image, dockerfile), BUILD_OK);
    expect(await outputOf(client, image, { image })).toBe("made\n");
  });
});

describe("a failure tells the end of the log", () => {
  it("context missing", async () => {
    const answer = await send({
      dockerfile: "new-software/Dockerfile",
      context: "new-software",
      image: named("x"),
    });
    expectFailed(answer, /unable to prepare context: path ".*new-software" not found/);
  });

  it("Dockerfile missing", async () => {
    await client.uplink({ "there/file": "x" }, { pod_name: volume });
    const answer = await send({ dockerfile: "there/Dockerfile.space", context: "there", image: named("x") });
    expectFailed(answer, /Dockerfile\.space.*no such file or directory/);
  });

  it("an unused volume", async () => {
    const fields = { dockerfile: "Dockerfile", context: ".", image: named("x"), pod_name: named("unused") };
    expectFailed(await send(fields), /not found|no such file/i);
  });

  it("a step that fails, with what it said", async () => {
    const image = named("b-fails");
    const tail = expectFailed(
      await buildText(
        image,
        `FROM ${target.image}\nRUN echo before && seq 1 500 && echo at the end && exit 3\n`,
      ),
      /at the end\n[\s\S]*\b3\b/,
    );
    expect(tail).toHaveLength(100);
    expect([...(await ownImages(client)).keys()]).not.toContain(image);
  });

  it.each([
    ["nonsense", "NONSENSE here\n", /unknown instruction|NONSENSE/i],
    ["no FROM", "RUN true\n", /from|no build stage/i],
    ["an empty Dockerfile", "", /empty|from/i],
    ["a missing file", `FROM ${target.image}\nCOPY not-there /x\n`, /not-there/],
    [
      "a file above the context",
      `FROM ${target.image}\nCOPY ../there/file /x\n`,
      /\.\.|outside|not found|no such/i,
    ],
  ])("%s", async (what, dockerfile, tail) => {
    expectFailed(await buildText(named(`b-${what.replaceAll(" ", "-").toLowerCase()}`), dockerfile), tail);
  });

  it("paths out of the volume, as ones that are missing", async () => {
    for (const path of ["../x", "/etc", "a/../../b"]) {
      expectFailed(await send({ dockerfile: path, context: ".", image: named("x") }), /\S/);
      expectFailed(await send({ dockerfile: "there/file", context: path, image: named("x") }), /\S/);
    }
  });

  it("links out of the volume, in the paths and in the context", async () => {
    await client.uplink({ "l/Dockerfile": `FROM ${target.image}\nCOPY out /x\n` }, { pod_name: volume });
    await run(client, named("b-link"), {
      pvc_name: volume,
      command: "cd /data && ln -sf /etc/passwd l/out && ln -sf /etc etc && ln -sf /etc/passwd D",
    });
    await output(client, named("b-link"));
    expectFailed(await send({ dockerfile: "l/Dockerfile", context: "etc", image: named("x") }), /\S/);
    expectFailed(await send({ dockerfile: "D", context: "l", image: named("x") }), /\S/);
    // within the context a link stays a link or is left out: it brings nothing of the host into the image
    const image = named("b-link");
    await client.uplink(
      { "l/Dockerfile": `FROM ${target.image}\nCOPY . /l\nCMD readlink /l/out || echo left out\n` },
      { pod_name: volume },
    );
    expectOk(await send({ dockerfile: "l/Dockerfile", context: "l", image }), BUILD_OK);
    expect(["/etc/passwd\n", "left out\n"]).toContain(await outputOf(client, image, { image }));
  });
});

describe("a build has no network", () => {
  it.each([
    ["ADD of a URL", `FROM ${target.image}\nADD http://example.com/x /x\n`],
    ["ADD of a URL in a variable", `FROM ${target.image}\nARG U=https://example.com/x\nADD $U /x\n`],
    ["ADD of git", `FROM ${target.image}\nADD https://github.com/moby/buildkit.git /x\n`],
    ["a base that is not onboard", "FROM not-onboard-anywhere:1\nRUN true\n"],
    ["a stage that is not onboard", `FROM ${target.image}\nCOPY --from=not-onboard-anywhere:1 /a /a\n`],
    ["a frontend to fetch", `# syntax=docker/dockerfile:99\nFROM ${target.image}\nRUN true\n`],
  ])("%s fails", async (what, dockerfile) => {
    const image = named(`b-${what.replaceAll(" ", "-").toLowerCase()}`);
    if (what === "a frontend to fetch") {
      const answer = await buildText(image, dockerfile);
      // ignoring the line is as good as refusing it; fetching is not
      if (answer.status === 200) return expectOk(answer, BUILD_OK);
      return void expectFailed(answer, /\S/);
    }
    expectFailed(await buildText(image, dockerfile), /\S/);
  });

  it("steps reach nothing", async () => {
    const image = named("b-net");
    const dockerfile = `FROM ${target.image}\nRUN nc -w 2 1.1.1.1 80 < /dev/null && exit 9; grep -v lo: /proc/net/dev | grep -c : > /net; echo isolated >> /net\nCMD cat /net\n`;
    expectOk(await buildText(image, dockerfile), BUILD_OK);
    expect(await outputOf(client, image, { image })).toBe("0\nisolated\n");
  });

  it("another user's image is no base", async () => {
    const image = named("b-private");
    await build(client, image, "CMD echo private");
    const theirs = await other();
    for (const from of [
      image,
      `${target.user.name}-${image}`,
      `localhost:5000/${target.user.name}-${image}`,
    ]) {
      await theirs.uplink({ D: `FROM ${from}\n`, "c/x": "" }, { pod_name: volume });
      const fields = { dockerfile: "D", context: "c", image: named("stolen"), pod_name: volume };
      expectFailed(await theirs.form("/em/pod/image/build", fields), /\S/);
    }
  });
});

describe("fields", () => {
  const good = { dockerfile: "Dockerfile", context: ".", image: "x" };

  it.each(["dockerfile", "context", "image"])("%s is required", async (field) => {
    expectInvalid(await send({ ...good, [field]: "" }), field);
  });

  it.each([
    "Upper",
    "with blank",
    "-x",
    "x-",
    "a//b",
    "x:",
    "x:bad tag",
    "registry.example.com/x",
    "localhost:5000/x",
    `x@sha256:${"0".repeat(64)}`,
    "x".repeat(300),
    "../x",
  ])("image %s is refused", async (image) => {
    expectInvalid(await send({ ...good, image }), "image");
  });

  it("an image that waits for its build is found after it", async () => {
    const image = named("b-late");
    await run(client, image, { image });
    await until(client, image, (state) => state.waiting?.reason === "ImagePullBackOff");
    await build(client, image, "CMD echo late");
    expect(await output(client, image)).toBe("late\n");
    expect(await stateOf(client, image)).toMatchObject({ terminated: { exitCode: 0 } });
  });
});
