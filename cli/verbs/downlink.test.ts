import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { END_OF_TAR, tarHeader } from "#agent/files/tar-header.ts";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command, Ground, type Reply, type Seen, type Step } from "../testing/ground.ts";

const DOWNLINK = "GET /em/files/downlink";
const CONTENT = "GET /commands/01C/content";
const bytes = randomBytes(700_000);
const ETAG = '"v1"';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

function file(content: Buffer = bytes, etag = ETAG, more: Record<string, string> = {}): Reply {
  return { headers: { "Content-Type": "application/octet-stream", ETag: etag, ...more }, body: content };
}

/** Answers as the contract does: Range and If-Range. */
function ranged(content: Buffer, etag: string): (seen: Seen) => Reply {
  return ({ headers }) => {
    const start = /^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1];
    if (start === undefined || headers["if-range"] !== etag) return file(content, etag);
    const range = `bytes ${start}-${content.length - 1}/${content.length}`;
    return { status: 206, ...file(content.subarray(Number(start)), etag, { "Content-Range": range }) };
  };
}

/** Sends the first `n` bytes of an answer, then cuts the connection. */
function cutAfter(n: number, answer: (seen: Seen) => Reply): Step {
  return {
    raw(_request, response, seen) {
      const { status = 200, headers = {}, body = "" } = answer(seen);
      response.writeHead(status, { ...headers, "Content-Length": body.length });
      response.write(body.slice(0, n), () => response.destroy());
    },
  };
}

const read = (name: string) => readFile(join(stage.dir, name));
const partSize = async (name: string) => (await stat(join(stage.dir, `.${name}.perigee-part`))).size;
const names = async () => (await readdir(stage.dir)).filter((name) => name !== "config").sort();

describe("a file", () => {
  test("lands under its name, and nothing else stays", async () => {
    stage.ground.on(DOWNLINK, file());
    const { code, stdout } = await stage.run(["downlink", "results/data.bin", "--pod", "pod-a"]);
    expect(code).toBe(0);
    expect(stdout).toContain("data.bin");
    expect((await read("data.bin")).equals(bytes)).toBe(true);
    expect(await names()).toEqual(["data.bin"]);
    expect(stage.ground.seen[0]!.path).toBe("/em/files/downlink?filepath=results%2Fdata.bin&pod_name=pod-a");
  });

  test("behind a 202 it is fetched from the command's content", async () => {
    stage.ground
      .on(DOWNLINK, ACCEPTED)
      .on("GET /commands/01C", command("succeeded", { content: "/commands/01C/content" }))
      .on(CONTENT, file());
    const { code, stdout } = await stage.run(["downlink", "data.bin", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).data).toEqual({
      path: "data.bin",
      file: join(stage.dir, "data.bin"),
      bytes: bytes.length,
    });
    expect((await read("data.bin")).equals(bytes)).toBe(true);
  });

  test("content that is gone from the ground is asked for again, straight", async () => {
    stage.ground
      .on(DOWNLINK, ACCEPTED, file())
      .on("GET /commands/01C", command("succeeded", { content: "/commands/01C/content" }))
      .on(CONTENT, { status: 404, json: { error: "FILE_NOT_FOUND", message: "gone" } });
    expect((await stage.run(["downlink", "data.bin"])).code).toBe(0);
    expect((await read("data.bin")).equals(bytes)).toBe(true);
    expect(stage.ground.calls(DOWNLINK).map(({ headers }) => headers.prefer)).toEqual([
      "respond-async",
      undefined,
    ]);
  });

  test("-o: a file, a directory, stdout", async () => {
    await mkdir(join(stage.dir, "out"));
    stage.ground.on(DOWNLINK, file(Buffer.from("hello")));
    await stage.run(["downlink", "a/b", "-o", "other"]);
    await stage.run(["downlink", "a/b", "-o", "out"]);
    const { code, stdout } = await stage.run(["downlink", "a/b", "-o", "-"]);
    expect([code, stdout]).toEqual([0, "hello"]);
    expect((await read("other")).toString()).toBe("hello");
    expect((await read("out/b")).toString()).toBe("hello");
    expect((await stage.run(["downlink", "a/b", "-o", "no/such/x"])).code).toBe(2);
  });

  test("an empty file", async () => {
    stage.ground.on(DOWNLINK, file(Buffer.alloc(0)));
    expect((await stage.run(["downlink", "e"])).code).toBe(0);
    expect((await stat(join(stage.dir, "e"))).size).toBe(0);
  });

  test("a missing one: exit 4, nothing written", async () => {
    stage.ground.on(DOWNLINK, { status: 404, json: { error: "FILE_NOT_FOUND", message: "no such file" } });
    expect((await stage.run(["downlink", "x"])).code).toBe(4);
    expect(await names()).toEqual([]);
  });
});

describe("a cut connection", () => {
  test("is taken up where it broke, at once", async () => {
    const answer = ranged(bytes, ETAG);
    stage.ground.on(DOWNLINK, cutAfter(300_000, answer), cutAfter(1000, answer), answer);
    const { code, stderr } = await stage.run(["downlink", "data.bin"]);
    expect(code).toBe(0);
    expect(stderr).toContain("going on from there");
    expect((await read("data.bin")).equals(bytes)).toBe(true);
    const starts = stage.ground.calls(DOWNLINK).map(({ headers }) => Number(headers.range?.slice(6, -1)));
    // What was still on its way when the connection broke may be asked for again.
    expect(starts[0]).toBeNaN();
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[1]).toBeLessThan(300_000);
    expect(starts[2]).toBeGreaterThanOrEqual(starts[1]!);
    expect(stage.ground.calls(DOWNLINK)[1]!.headers["if-range"]).toBe(ETAG);
  });

  test("content that knows no ranges is read past what is there", async () => {
    stage.ground
      .on(DOWNLINK, ACCEPTED)
      .on("GET /commands/01C", command("succeeded"))
      .on(
        CONTENT,
        cutAfter(300_000, () => file()),
        file(),
      );
    expect((await stage.run(["downlink", "data.bin"])).code).toBe(0);
    expect((await read("data.bin")).equals(bytes)).toBe(true);
    expect(stage.ground.calls(DOWNLINK)).toHaveLength(1);
  });

  test("goes on in the next run; a changed file starts anew", async () => {
    stage.ground.on(DOWNLINK, cutAfter(300_000, ranged(bytes, ETAG)));
    const { code, stderr } = await stage.run(["downlink", "data.bin", "--no-wait"]);
    expect(code).toBe(6);
    expect(stderr).toContain("the same command goes on from there");
    expect(await names()).toEqual([".data.bin.perigee-part", ".data.bin.perigee-part.json"]);

    const first = await partSize("data.bin");
    stage.ground.on(DOWNLINK, cutAfter(200_000, ranged(bytes, ETAG)));
    await stage.run(["downlink", "data.bin", "--no-wait"]);
    expect(stage.ground.calls(DOWNLINK)[1]!.headers.range).toBe(`bytes=${first - 1}-`);
    const second = await partSize("data.bin");
    expect(second).toBeGreaterThan(first);

    const changed = randomBytes(500_000);
    stage.ground.on(DOWNLINK, ranged(changed, '"v2"'));
    expect((await stage.run(["downlink", "data.bin"])).code).toBe(0);
    expect(stage.ground.calls(DOWNLINK)[2]!.headers.range).toBe(`bytes=${second - 1}-`);
    expect((await read("data.bin")).equals(changed)).toBe(true);
    expect(await names()).toEqual(["data.bin"]);
  });

  test("a killed perigee leaves a part that the next one goes on with", async () => {
    const half = Promise.withResolvers<void>();
    stage.ground.on(DOWNLINK, {
      raw(_request, response) {
        response.writeHead(200, { ETag: ETAG, "Content-Length": bytes.length });
        response.write(bytes.subarray(0, 400_000), () => half.resolve());
      },
    });
    const running = stage.start(["downlink", "data.bin"]);
    await half.promise;
    const part = join(stage.dir, ".data.bin.perigee-part");
    await expect.poll(async () => (await stat(part).catch(() => undefined))?.size).toBe(400_000);
    running.child.kill("SIGKILL");
    await running.ended;
    stage.ground.on(DOWNLINK, ranged(bytes, ETAG));
    expect((await stage.run(["downlink", "data.bin"])).code).toBe(0);
    expect(stage.ground.calls(DOWNLINK)[1]!.headers.range).toBe("bytes=399999-");
    expect((await read("data.bin")).equals(bytes)).toBe(true);
  });

  test("the part of another file, or a weak ETag, is not gone on with", async () => {
    stage.ground.on(DOWNLINK, cutAfter(300_000, ranged(bytes, ETAG)));
    await stage.run(["downlink", "a/data.bin", "--no-wait"]);
    stage.ground.on(
      DOWNLINK,
      cutAfter(300_000, () => file(bytes, 'W/"v1"')),
    );
    await stage.run(["downlink", "b/data.bin", "--no-wait"]);
    expect(stage.ground.calls(DOWNLINK)[1]!.headers.range).toBeUndefined();
    stage.ground.on(DOWNLINK, file());
    expect((await stage.run(["downlink", "b/data.bin"])).code).toBe(0);
    expect(stage.ground.calls(DOWNLINK)[2]!.headers.range).toBeUndefined();
    expect((await read("data.bin")).equals(bytes)).toBe(true);
  });

  test("to stdout: goes on with the same version, fails with another", async () => {
    const answer = ranged(bytes, ETAG);
    stage.ground.on(DOWNLINK, cutAfter(300_000, answer), answer);
    const whole = await stage.run(["downlink", "data.bin", "-o", "-"]);
    expect(whole.code).toBe(0);
    expect(whole.stdout).toBe(bytes.toString("utf8"));
    stage.ground.on(DOWNLINK, cutAfter(300_000, answer), ranged(bytes, '"v2"'));
    const { code, stderr } = await stage.run(["downlink", "data.bin", "-o", "-"]);
    expect(code).toBe(6);
    expect(stderr).toContain("has changed");
  });

  test("a part that is a link is not written through", async () => {
    await writeFile(join(stage.dir, "victim"), "mine");
    await symlink(join(stage.dir, "victim"), join(stage.dir, ".data.bin.perigee-part"));
    stage.ground.on(DOWNLINK, file());
    const { code } = await stage.run(["downlink", "data.bin"]);
    expect(code).toBe(1);
    expect((await read("victim")).toString()).toBe("mine");
  });
});

describe("a directory", () => {
  type Entry = [name: string, content?: string, header?: object];
  async function tar(entries: Entry[]): Promise<Reply> {
    const packer = pack();
    for (const [name, content, header] of entries) packer.entry({ name, ...header }, content ?? "");
    packer.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of packer) chunks.push(chunk as Buffer);
    return file(Buffer.concat(chunks), ETAG, {
      "Content-Type": "application/x-tar",
      "Content-Disposition": 'attachment; filename="exp.tar"',
    });
  }
  const good: Entry[] = [
    ["sub/", undefined, { type: "directory" }],
    ["sub/run.sh", "#!/bin/sh", { mode: 0o4777 }],
    ["a.txt", "a"],
  ];

  test("lands as NAME.tar, or under the name given by hand", async () => {
    const answer = await tar(good);
    stage.ground.on(DOWNLINK, answer);
    expect((await stage.run(["downlink", "x/exp"])).code).toBe(0);
    expect(await read("exp.tar")).toEqual(answer.body);
    expect((await stage.run(["downlink", "x/exp", "-o", "mine.bin"])).code).toBe(0);
    expect(await names()).toEqual(["exp.tar", "mine.bin"]);
  });

  test("--extract unpacks it into a directory of its name", async () => {
    stage.ground.on(DOWNLINK, await tar(good));
    const { code, stdout } = await stage.run(["downlink", "x/exp", "--extract"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Unpacked 2 files");
    expect((await read("exp/sub/run.sh")).toString()).toBe("#!/bin/sh");
    // no set-user-id, and what may be written is the umask's to say
    expect((await stat(join(stage.dir, "exp/sub/run.sh"))).mode & 0o7777).toBe(0o777 & ~process.umask());
    expect(await names()).toEqual(["exp"]);
    const again = await stage.run(["downlink", "x/exp", "--extract"]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("exists already");
  });

  test.each<[string, Entry[]]>([
    ["a path that climbs out", [["../evil", "x"]]],
    ["an absolute path", [["/tmp/evil-perigee", "x"]]],
    ["a hidden climb", [["a/../../evil", "x"]]],
    [
      "two entries of one name",
      [
        ["a", "1"],
        ["a", "2"],
      ],
    ],
    [
      "a file where a directory is",
      [
        ["a", "1"],
        ["a/b", "2"],
      ],
    ],
  ])("%s: nothing is unpacked", async (_, entries) => {
    await mkdir(join(stage.dir, "in"));
    stage.ground.on(DOWNLINK, await tar(entries));
    const { code } = await stage.run(["downlink", "exp", "-x", "-o", "in"]);
    expect(code).toBe(1);
    expect(await names()).toEqual(["in"]);
    expect((await readdir(join(stage.dir, "in"))).filter((name) => !name.includes("perigee-part"))).toEqual(
      [],
    );
  });

  test("links in it are left out: nothing is written through them", async () => {
    stage.ground.on(
      DOWNLINK,
      await tar([
        ["out", undefined, { type: "symlink", linkname: stage.dir }],
        ["hard", undefined, { type: "link", linkname: "/etc/passwd" }],
        ["out/evil", "x"],
      ]),
    );
    const { code, stderr } = await stage.run(["downlink", "exp", "-x"]);
    expect(code).toBe(0);
    expect(stderr).toContain("left out: out (symlink)");
    expect(await names()).toEqual(["exp"]);
    expect((await read("exp/out/evil")).toString()).toBe("x");
  });

  test("names of any bytes come out as they are", async () => {
    const names = [
      [0xe9, 0x2e, 0x74],
      [0xe8, 0x2e, 0x74],
      Array(255).fill(0xe9),
      [...Buffer.from("é")],
      [...Buffer.from("ü".repeat(100))],
      [...Buffer.from("line\nend\x1b[31m")],
    ].map((bytes) => Buffer.from(bytes as number[]));
    const headers = names.map((name) =>
      tarHeader({ name: Buffer.concat([Buffer.from("d/"), name]), type: "file" }),
    );
    stage.ground.on(DOWNLINK, { ...(await tar([])), body: Buffer.concat([...headers, END_OF_TAR]) });
    expect((await stage.run(["downlink", "exp", "-x"])).code).toBe(0);
    expect((await readdir(join(stage.dir, "exp/d"), { encoding: "buffer" })).sort(Buffer.compare)).toEqual(
      names.sort(Buffer.compare),
    );
  });

  test("a name that the disk does not take is said, with what to do, and the tar can still be had", async () => {
    stage.ground.on(DOWNLINK, await tar([["n".repeat(256), "x"]]));
    const { code, stderr } = await stage.run(["downlink", "exp", "-x"]);
    expect(code).toBe(1);
    expect(stderr).toContain("nnn cannot be unpacked here: ENAMETOOLONG");
    expect(stderr).toContain("leave --extract out");
    expect((await stage.run(["downlink", "exp"])).code).toBe(0);
    expect(await names()).toEqual(["exp.tar"]);
  });

  test("--extract of a file says so and leaves nothing", async () => {
    stage.ground.on(DOWNLINK, file());
    expect((await stage.run(["downlink", "exp", "-x"])).code).toBe(2);
    expect(await names()).toEqual([]);
  });
});

describe("content that the ground leads to", () => {
  const OBJECT = "GET /bucket/object";
  let store: Ground;
  beforeEach(async () => {
    store = await Ground.start();
    stage.ground.on("GET /commands/01C", command("succeeded", { content: "/commands/01C/content" }));
    stage.ground.on(DOWNLINK, ACCEPTED);
    const Location = `${store.url}/bucket/object?X-Amz-Signature=s`;
    stage.ground.on(CONTENT, { status: 302, headers: { Location, ETag: ETAG }, json: { message: "there" } });
  });
  afterEach(() => store.stop());

  /** As an object store does: its own ETag, any part. */
  const object = ({ headers }: Seen): Reply => {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return start === 0
      ? file(bytes, '"of-the-store"')
      : { status: 206, ...file(bytes.subarray(start), '"of-the-store"', { "Content-Range": range }) };
  };

  test("is fetched there, without the token, and goes on after a cut", async () => {
    store.on(OBJECT, cutAfter(300_000, object), object);
    const { code } = await stage.run(["downlink", "results/data.bin", "--pod", "pod-a"]);
    expect(code).toBe(0);
    expect((await read("data.bin")).equals(bytes)).toBe(true);
    const [first, second] = store.calls(OBJECT);
    for (const { headers } of [first!, second!]) expect(headers.authorization).toBeUndefined();
    expect(Number(/^bytes=(\d+)-$/.exec(second!.headers.range ?? "")?.[1])).toBeGreaterThan(0);
    expect(first!.path).toContain("X-Amz-Signature=s");
  });

  test("that is not there any more is brought down again", async () => {
    store.on(OBJECT, { status: 404, body: "<Error/>" });
    stage.ground.on(DOWNLINK, ACCEPTED, file());
    const { code } = await stage.run(["downlink", "results/data.bin", "--pod", "pod-a"]);
    expect(code).toBe(0);
    expect((await read("data.bin")).equals(bytes)).toBe(true);
  });
});
