import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command, locked, reply, type Seen, type Step } from "../testing/ground.ts";

const Busboy = createRequire(import.meta.url)("@fastify/busboy") as typeof import("@fastify/busboy").default;
const UPLINK = "POST /em/files/uplink";
const DONE = { json: { message: "Successfully uplinked files", data: { file_count: 1, total_size_kb: 1 } } };

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

type Form = { fields: Record<string, string>; files: Record<string, string> };

/** Reads the multipart body as another reader than ours does. */
async function parse({ headers, body }: Seen): Promise<Form> {
  const form: Form = { fields: {}, files: {} };
  const busboy = new Busboy({ headers: headers as { "content-type": string }, preservePath: true });
  busboy.on("field", (name, value) => {
    form.fields[name] = value;
  });
  busboy.on("file", (name, stream, filename) => {
    expect(name).toBe("files");
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      form.files[filename] = Buffer.concat(chunks).toString("latin1");
    });
  });
  await new Promise((resolve, reject) => {
    busboy.on("finish", resolve).on("error", reject);
    Readable.from([body]).pipe(busboy);
  });
  expect(Number(headers["content-length"])).toBe(body.length);
  return form;
}

test("files and directories arrive under their paths, byte for byte; links are left out with a notice", async () => {
  const big = randomBytes(3 * 1024 * 1024 + 17);
  await mkdir(join(stage.dir, "exp/sub"), { recursive: true });
  await mkdir(join(stage.dir, "exp/empty"));
  await writeFile(join(stage.dir, "exp/sub/big.bin"), big);
  await writeFile(join(stage.dir, "exp/nothing"), "");
  await writeFile(join(stage.dir, 'exp/50%22 "q" \\ ü.txt'), "odd name");
  await writeFile(join(stage.dir, "one.txt"), "1");
  await symlink("/etc/passwd", join(stage.dir, "exp/link"));
  stage.ground.on(UPLINK, DONE);
  const args = ["uplink", "exp", "one.txt", "--dest", "in/here", "--pod", "pod-a", "--volume", "vol-a"];
  const { code, stdout, stderr } = await stage.run(args);
  expect(code).toBe(0);
  expect(stdout).toContain("Uplinked 4 files");
  expect(stderr).toContain("exp/link (a link; links are not followed)");
  expect(stderr).toContain("exp/empty (an empty directory)");
  const { fields, files } = await parse(stage.ground.calls(UPLINK)[0]!);
  expect(fields).toEqual({ dest_path: "in/here", pod_name: "pod-a", pvc_name: "vol-a" });
  expect(Object.keys(files).sort()).toEqual(
    ["exp/sub/big.bin", "exp/nothing", 'exp/50%22 "q" \\ ü.txt', "one.txt"].sort(),
  );
  expect(files["exp/sub/big.bin"]).toBe(big.toString("latin1"));
  expect(stage.ground.calls(UPLINK)[0]!.headers.prefer).toBe("respond-async");
});

test("`dir/.` sends what is in the directory, without its name", async () => {
  await mkdir(join(stage.dir, "exp"));
  await writeFile(join(stage.dir, "exp/a"), "a");
  stage.ground.on(UPLINK, DONE);
  expect((await stage.run(["uplink", "exp/."])).code).toBe(0);
  expect(Object.keys((await parse(stage.ground.calls(UPLINK)[0]!)).files)).toEqual(["a"]);
});

test("202: the transfer to the edge is followed, the result has the contract's shape", async () => {
  await writeFile(join(stage.dir, "a"), "x".repeat(1536));
  stage.ground
    .on(UPLINK, ACCEPTED)
    .on("GET /commands/01C", command("running", { progress: { phase: "receiving", done: 1, total: 1536 } }))
    .on(
      "GET /commands/01C",
      command("running", { progress: { phase: "receiving", done: 1, total: 1536, unit: "bytes" } }),
      command("succeeded", { result: { count: 1, bytes: 1536 } }),
    );
  const { code, stdout } = await stage.run(["uplink", "a", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    message: "Successfully uplinked files",
    data: { file_count: 1, total_size_kb: 1.5 },
  });
});

test("an early refusal costs no upload, and the busy edge is waited for", async () => {
  await writeFile(join(stage.dir, "a"), randomBytes(8 * 1024 * 1024));
  let received = 0;
  const refuse: Step = {
    raw(request: IncomingMessage, response) {
      request.on("data", (chunk) => {
        received += chunk.length;
      });
      const busy = locked({ since: "2025-11-20T12:40:00Z" });
      reply(response, { ...busy, headers: { ...busy.headers, Connection: "close" } });
    },
  };
  stage.ground.on(UPLINK, refuse, DONE);
  const { code, stderr } = await stage.run(["uplink", "a"]);
  expect(code).toBe(0);
  expect(stderr).toContain("CG2 is busy with others' command");
  expect(received).toBe(0);
  expect((await parse(stage.ground.calls(UPLINK)[1]!)).files.a).toHaveLength(8 * 1024 * 1024);
});

test("a refusal in the middle of the upload is shown, even when the server hangs up right after it", async () => {
  await truncate(join(stage.dir, "big"), 512 * 1024 * 1024).catch(() =>
    writeFile(join(stage.dir, "big"), ""),
  );
  await truncate(join(stage.dir, "big"), 512 * 1024 * 1024);
  const json = { error: "QUOTA_EXCEEDED", message: "Your quota is used up" };
  stage.ground.on(UPLINK, {
    raw(request, response) {
      response.writeContinue();
      let size = 0;
      request.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size < 4 * 1024 * 1024 || response.headersSent) return;
        // Reads no more and closes with unread bytes: the kernel resets the connection under the client.
        request.pause();
        reply(response, { status: 507, json, headers: { Connection: "close" } });
        response.on("finish", () => request.socket.destroy());
      });
    },
  });
  for (let i = 0; i < 5; i++) {
    const { code, stderr } = await stage.run(["uplink", "big"]);
    expect(stderr).toContain("Your quota is used up (QUOTA_EXCEEDED)");
    expect(code).toBe(7);
  }
  expect(stage.ground.calls(UPLINK)).toHaveLength(5);
});

test("a server that knows no 100-continue gets the body all the same", async () => {
  await writeFile(join(stage.dir, "a"), "abc");
  stage.ground.on(UPLINK, {
    raw(request, response) {
      request.resume().on("end", () => reply(response, DONE));
    },
  });
  expect((await stage.run(["uplink", "a"])).code).toBe(0);
});

test("an upload that was cut is repeated", async () => {
  await writeFile(join(stage.dir, "a"), randomBytes(2 * 1024 * 1024));
  const cut: Step = {
    raw(request, response) {
      response.writeContinue();
      request.once("data", () => request.socket.destroy());
    },
  };
  stage.ground.on(UPLINK, cut, DONE);
  const { code, stderr } = await stage.run(["uplink", "a"]);
  expect(code).toBe(0);
  expect(stderr).toContain("trying again");
  expect((await parse(stage.ground.calls(UPLINK)[1]!)).files.a).toHaveLength(2 * 1024 * 1024);
});

test("a file that shrinks while it is sent ends the upload, with nothing claimed", async () => {
  const path = join(stage.dir, "log");
  await writeFile(path, "");
  await truncate(path, 256 * 1024 * 1024);
  stage.ground.on(UPLINK, {
    raw(request, response) {
      response.writeContinue();
      request.once("data", () => {
        request.pause();
        truncate(path, 10).then(() => request.resume());
      });
      request.on("error", () => {});
    },
  });
  const { code, stderr } = await stage.run(["uplink", "log"]);
  expect(code).toBe(1);
  expect(stderr).toContain("changed while it was sent");
});

test("memory stays flat over a large file", async () => {
  await writeFile(join(stage.dir, "big"), "");
  await truncate(join(stage.dir, "big"), 1024 * 1024 * 1024);
  let peak = 0;
  let base = 0;
  stage.ground.on(UPLINK, {
    raw(request, response) {
      response.writeContinue();
      let size = 0;
      request.on("data", (chunk: Buffer) => {
        const before = size;
        size += chunk.length;
        if (Math.floor(size / 2 ** 25) === Math.floor(before / 2 ** 25)) return;
        const rss = Number(
          /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${running.child.pid}/status`, "utf8"))?.[1],
        );
        if (size < 2 ** 27) base = Math.max(base, rss);
        peak = Math.max(peak, rss);
      });
      request.on("end", () => reply(response, DONE));
    },
  });
  const running = stage.start(["uplink", "big"]);
  expect((await running.ended).code).toBe(0);
  expect(peak - base).toBeLessThan(64 * 1024);
});

test("what cannot be sent is refused before anything is sent", async () => {
  await writeFile(join(stage.dir, "huge"), "");
  await truncate(join(stage.dir, "huge"), 2 ** 31 + 1);
  await mkdir(join(stage.dir, "d"));
  await writeFile(join(stage.dir, "d/huge"), "");
  await writeFile(join(stage.dir, "d/line\nbreak"), "");
  await mkdir(join(stage.dir, "none"));
  const cases: [string[], number, string][] = [
    [["huge"], 1, "MAX_UPLINK_SIZE_EXCEEDED"],
    [["missing"], 1, "cannot read missing: there is no such file"],
    [["d/huge", "huge"], 2, "would both arrive as huge"],
    [["d"], 1, "line break"],
    [["none"], 2, "NO_FILES"],
    [["/dev/null"], 2, "neither a file nor a directory"],
    [[], 2, "missing required argument"],
  ];
  for (const [sources, exit, text] of cases) {
    const { code, stderr } = await stage.run(["uplink", ...sources]);
    expect(stderr).toContain(text);
    expect(code).toBe(exit);
  }
  expect(stage.ground.seen).toEqual([]);
});

test("Ctrl-C during the upload: exit 130, nothing more is sent", async () => {
  await writeFile(join(stage.dir, "big"), "");
  await truncate(join(stage.dir, "big"), 1024 * 1024 * 1024);
  const closed = new Promise<void>((resolve) => {
    stage.ground.on(UPLINK, {
      raw(request, response) {
        response.writeContinue();
        request.once("data", () => running.child.kill("SIGINT"));
        request.on("error", () => {}).on("close", resolve);
        request.resume();
      },
    });
  });
  const running = stage.start(["uplink", "big"]);
  const { code, stderr } = await running.ended;
  expect(code).toBe(130);
  expect(stderr).toContain("interrupted");
  await closed;
});

test("without a wait it asks for the contract's own answer", async () => {
  await writeFile(join(stage.dir, "a"), "abc");
  stage.ground.on(UPLINK, DONE);
  const { code, stdout } = await stage.run(["uplink", "a", "--no-wait", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(DONE.json);
  expect(stage.ground.calls(UPLINK)[0]!.headers.prefer).toBeUndefined();
});
