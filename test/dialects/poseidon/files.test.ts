import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { extract } from "tar-stream";
import { expect, onTestFinished, test } from "vitest";
import { startPoseidonGround } from "./support/poseidon-ground.ts";
import type { ScriptedSession } from "./support/scripted-live.ts";

const ENTRY = {
  name: './a \u2028 -> b\n"',
  entryType: "-",
  size: 42,
  modificationTime: 1654201799,
  permissions: "rwxr--r--",
  owner: "root",
  group: "root",
};
const LINK = { ...ENTRY, entryType: "l", linkTarget: "x" };
const line = (entry: object) => `${JSON.stringify(entry)}\n`;
const OK = { type: "exit", code: 0 } as const;
const MISSING = { type: "error", code: "FILE_UNREADABLE", message: "m" } as const;
const UNREADABLE = { message: "file not found or insufficient permissions" };

async function started() {
  const ground = await startPoseidonGround();
  const me = await ground.client();
  return { ground, me, path: await me.runner() };
}

type Started = Awaited<ReturnType<typeof started>>;

test("a list has every entry in its order, and an empty one is exactly that", async () => {
  const { ground, me, path } = await started();
  const list = me.get(`${path}/files`);
  const session = await ground.live.next();
  expect(session.of.request).toEqual({ kind: "list", list: { path: "./", recursive: true, as: "user" } });
  expect(ground.pools.touches).toHaveLength(1);
  const both = Buffer.from(line({ ...ENTRY, linkTarget: "" }) + line(LINK));
  session.say("stdout", both.subarray(0, 9));
  session.say("stderr", "find: nothing to see");
  session.say("stdout", both.subarray(9));
  session.finish(OK);
  const { status, text, headers } = await list;
  expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
  const { linkTarget, ...rest } = LINK;
  const { name, entryType, ...others } = rest;
  expect(text).toBe(
    `{"files": [${JSON.stringify(ENTRY)},${JSON.stringify({ name, entryType, linkTarget, ...others })}]}`,
  );
  const empty = me.get(`${path}/files`);
  (await ground.live.next()).finish(OK);
  expect(await empty).toMatchObject({ status: 200, text: '{"files": []}' });
});

test("a list's parameters are lenient", async () => {
  const { ground, me, path } = await started();
  for (const [query, list] of [
    ["path=&recursive=nonsense&privilegedExecution=yes", { path: "./", recursive: true, as: "user" }],
    [
      "path=%2Ftmp%2Fa%20b+c&recursive=F&privilegedExecution=T",
      { path: "/tmp/a b c", recursive: false, as: "root" },
    ],
    ["path=%c3%bc%ff&path=second&recursive=0", { path: "ü\ufffd", recursive: false, as: "user" }],
    ["Path=x&recursive=", { path: "./", recursive: true, as: "user" }],
  ] as const) {
    const answer = me.get(`${path}/files?${query}`);
    const session = await ground.live.next();
    session.finish(OK);
    expect([query, session.of.request]).toEqual([query, { kind: "list", list }]);
    expect((await answer).status).toBe(200);
  }
});

test("what a list or a file fails with, before anything was sent", async () => {
  const { ground, me, path } = await started();
  for (const [end, status, json] of [
    [MISSING, 424, UNREADABLE],
    [{ type: "error", code: "GONE", message: "m" }, 410, { message: "no runner found with this id" }],
    [{ type: "timeout" }, 410, { message: "no runner found with this id" }],
    [{ type: "error", code: "UNREACHABLE", message: "m" }, 500, { errorCode: "NOMAD_UNREACHABLE" }],
    [{ type: "error", code: "TOO_MANY", message: "m" }, 500, { errorCode: "NOMAD_OVERLOAD" }],
    [{ type: "error", code: "ENGINE", message: "m" }, 500, { errorCode: "NOMAD_INTERNAL_SERVER_ERROR" }],
    [{ type: "error", code: "UNSUPPORTED", message: "m" }, 500, { errorCode: "NOMAD_INTERNAL_SERVER_ERROR" }],
    [{ type: "error", code: "SESSION_TOO_LONG", message: "m" }, 500, { errorCode: "UNKNOWN" }],
  ] as const) {
    for (const rest of ["/files", "/files/raw?path=x"]) {
      const answer = me.get(path + rest);
      (await ground.live.next()).finish(end);
      expect(await answer).toMatchObject({ status, json });
    }
  }
  const long = "x".repeat(4097);
  for (const rest of [
    "/files/raw",
    "/files/raw?path=",
    `/files/raw?path=${long}`,
    `/files?path=${long}`,
    "/files?path=a%00b",
  ]) {
    expect(await me.get(path + rest)).toMatchObject({ status: 424, json: UNREADABLE });
  }
});

test("a list that fails in its middle breaks off, so that nobody takes it for whole", async () => {
  const { ground, me, path } = await started();
  const answer = me.get(`${path}/files`);
  const session = await ground.live.next();
  session.say("stdout", line(ENTRY));
  session.finish({ type: "error", code: "UNREACHABLE", message: "m" });
  await expect(answer).rejects.toThrow();
});

test("a file comes with its length and its name as it was given", async () => {
  const { ground, me, path } = await started();
  const raw = me.get(
    `${path}/files/raw?path=${encodeURIComponent('./a "b"\\ü\n.txt')}&privilegedExecution=1`,
  );
  const session = await ground.live.next();
  expect(session.of.request).toEqual({ kind: "read", read: { path: './a "b"\\ü\n.txt', as: "root" } });
  session.begin({ size: 10 });
  session.say("stdout", "01234");
  session.say("stdout", "56789 and what it has grown");
  session.finish(OK);
  const { status, text, headers } = await raw;
  expect([status, text]).toEqual([200, "0123456789"]);
  expect(Object.fromEntries(headers)).toMatchObject({
    "content-length": "10",
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
    "content-disposition": `attachment; filename="./a \\"b\\"\\\\__.txt"; filename*=UTF-8''.%2Fa%20%22b%22%5C%C3%BC_.txt`,
  });
});

test("an empty file is whole; one that shrinks ends the connection", async () => {
  const { ground, me, path } = await started();
  const empty = me.get(`${path}/files/raw?path=/tmp/x`);
  const first = await ground.live.next();
  first.begin({ size: 0 });
  first.finish(OK);
  const { status, text, headers } = await empty;
  expect([status, text, headers.get("content-disposition")]).toEqual([
    200,
    "",
    'attachment; filename="/tmp/x"',
  ]);
  const cut = me.get(`${path}/files/raw?path=x`);
  const second = await ground.live.next();
  second.begin({ size: 10 });
  second.say("stdout", "short");
  second.finish(OK);
  await expect(cut).rejects.toThrow();
});

test("HEAD, and a client that goes, leave no session open", async () => {
  const { ground, me, path } = await started();
  const head = me.send("HEAD", `${path}/files/raw?path=x`);
  const first = await ground.live.next();
  first.begin({ size: 10 });
  expect((await head).headers.get("content-length")).toBe("10");
  await first.until(() => first.closed);
  const controller = new AbortController();
  const answer = me.get(`${path}/files/raw?path=x`, { signal: controller.signal });
  answer.catch(() => {});
  const second = await ground.live.next();
  second.begin({ size: 1e9 });
  second.say("stdout", "some");
  controller.abort();
  await second.until(() => second.closed);
});

/** What a PATCH sent, as the edge unpacks it. */
async function unpacked(session: ScriptedSession) {
  await session.until(() => session.controls.length > 0);
  expect(session.controls).toEqual([{ type: "eof" }]);
  const entries: [name: string, type: string, mode: string, content: string][] = [];
  const tar = extract();
  tar.end(Buffer.concat(session.input));
  for await (const entry of tar) {
    const { name, type, mode, uid, gid, mtime } = entry.header;
    expect([uid, gid]).toEqual([0, 0]);
    expect(Math.abs(mtime!.getTime() - Date.now())).toBeLessThan(60_000);
    entries.push([name, type!, mode!.toString(8), await text(entry)]);
  }
  return entries;
}

test("a patch removes first, then copies, in order, with the modes of given files", async () => {
  const { ground, me, path } = await started();
  const long = `./${"d/".repeat(200)}f`;
  const patch = me.patch(`${path}/files`, {
    delete: ["./*", "/tmp/x", null, ""],
    copy: [
      { path: "/etc/a", content: "cm9vdA==" },
      { path: "b", content: "cm9\r\nvdA==\n" },
      { path: "../c/", content: "cm9vdA==" },
      { path: "empty" },
      { path: "null", content: null },
      { path: long, content: "ZQ==" },
      { path: "ü\n", content: "" },
    ],
  });
  const session = await ground.live.next();
  expect(session.of.request).toEqual({ kind: "write", write: { remove: ["./*", "/tmp/x", ""] } });
  expect(await unpacked(session)).toEqual([
    ["/etc/a", "file", "744", "root"],
    ["b", "file", "744", "root"],
    ["../c/", "directory", "1777", ""],
    ["empty", "file", "744", ""],
    ["null", "file", "744", ""],
    [long, "file", "744", "e"],
    ["ü\n", "file", "744", ""],
  ]);
  session.finish(OK);
  const { status, text } = await patch;
  expect([status, text]).toEqual([204, ""]);
  const nothing = me.patch(`${path}/files`, "{}");
  const second = await ground.live.next();
  expect(await unpacked(second)).toEqual([]);
  second.finish(OK);
  expect((await nothing).status).toBe(204);
});

test("what could not be copied is told in the tool's own words", async () => {
  const { ground, me, path } = await started();
  const patch = me.patch(`${path}/files`, { copy: [{ path: "/proc/1/environ" }] });
  const session = await ground.live.next();
  await unpacked(session);
  session.finish({ type: "error", code: "COPY_FAILED", message: "tar: /proc/1/environ: Cannot open: x" });
  expect(await patch).toMatchObject({
    status: 500,
    json: { message: "tar: /proc/1/environ: Cannot open: x", errorCode: "UNKNOWN" },
  });
});

test("a patch that is wrong anywhere changes nothing", async () => {
  const { ground, me, path } = await started();
  const ok = { path: "a", content: "" };
  for (const [body, status, message] of [
    [{ delete: ["a"], copy: [ok, { path: "b", content: "cm9vdA=" }] }, 400, /^copy\[1\]\.content /],
    [{ copy: [{ path: "b", content: "cm9vdA" }] }, 400, /content/],
    [{ copy: [{ path: "b", content: "cm9-dA==" }] }, 400, /content/],
    [{ copy: [{ path: "b", content: "cm 9vdA=" }] }, 400, /content/],
    [{ copy: [{ path: "b", content: "====" }] }, 400, /content/],
    [{ copy: [{ path: 7 }] }, 400, /^copy\[0\]\.path /],
    [{ copy: [{}] }, 400, /^copy\[0\]\.path /],
    [{ copy: ["a"] }, 400, /^copy\[0\] /],
    [{ copy: {} }, 400, /^copy /],
    [{ delete: [1] }, 400, /^delete\[0\] /],
    [{ delete: "a" }, 400, /^delete /],
    [{ delete: ["a\0b"] }, 400, /path/],
    [{ delete: Array(10_001).fill("a") }, 413, /10000/],
    [{ delete: Array(1_001).fill("a".repeat(1_048)) }, 413, /1 MiB/],
    ["", 400, /^EOF$/],
  ] as const) {
    const answer = await me.patch(`${path}/files`, body);
    expect([answer.status, answer.json]).toEqual([status, { message: expect.stringMatching(message) }]);
  }
  expect(ground.live.opened).toEqual([]);
});

test("a patch of 20 MiB goes through; one over 32 MiB is 413", async () => {
  const { ground, me, path } = await started();
  const content = Buffer.alloc(15 * 1024 * 1024, 7).toString("base64");
  const patch = me.patch(`${path}/files`, { copy: [{ path: "big", content }] });
  const session = await ground.live.next();
  const [entry] = await unpacked(session);
  expect(entry?.[3]).toHaveLength(15 * 1024 * 1024);
  session.finish(OK);
  expect((await patch).status).toBe(204);
  const over = await me.patch(
    `${path}/files`,
    `{"copy":[{"path":"a","content":"${"A".repeat(32 * 1024 * 1024)}"}]}`,
  );
  expect(over.status).toBe(413);
});

test("patches of one runner are done one after the other, of two beside each other", async () => {
  const { ground, me, path } = await started();
  const first = me.patch(`${path}/files`, { delete: ["1"] });
  const one = await ground.live.next();
  const second = me.patch(`${path}/files`, { delete: ["2"] });
  const beside = me.patch(`${await me.runner()}/files`, { delete: ["3"] });
  const three = await ground.live.next();
  expect(three.of.request).toMatchObject({ write: { remove: ["3"] } });
  three.finish(OK);
  expect((await beside).status).toBe(204);
  expect(ground.live.opened).toEqual([]);
  one.finish(MISSING);
  expect((await first).status).toBe(424);
  const two = await ground.live.next();
  expect(two.of.request).toMatchObject({ write: { remove: ["2"] } });
  two.finish(OK);
  expect((await second).status).toBe(204);
});

test("of more large patches at once than are parsed at a time each gets its answer, and a wrong one keeps no turn", async () => {
  const { ground, me } = await started();
  const content = "A".repeat(2 * 1024 * 1024);
  const bodies = Array.from({ length: 6 }, (_, n) =>
    JSON.stringify({ copy: [{ path: `${n}`, content: n === 4 ? "no base64" : content }], pad: content }),
  );
  const paths: string[] = [];
  for (const _ of bodies) paths.push(await me.runner());
  const all = bodies.map((body, n) => me.patch(`${paths[n]}/files`, body));
  // one that is wrong keeps nobody's turn
  for (let n = 0; n < 5; n++) {
    (await ground.live.next()).finish(OK);
  }
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual([204, 204, 204, 204, 400, 204]);
});

/** A patch whose body is begun and held back. */
async function heldBack({ ground, me, path }: Started, headers: Record<string, string>) {
  const all = { "poseidon-token": me.token!, ...headers };
  const asked = request(`http://127.0.0.1:${ground.port}/api/v1${path}/files`, {
    method: "PATCH",
    headers: all,
  });
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  answered.catch(() => {});
  asked.on("error", () => {});
  asked.write("{");
  onTestFinished(() => void asked.destroy());
  return { asked, answered };
}

test("a body without a length counts what has come of it", async () => {
  const at = await started();
  const all = await Promise.all(Array.from({ length: 9 }, () => heldBack(at, {})));
  for (const { asked } of all) asked.end('"delete": ["x"]}');
  for (const _ of all) (await at.ground.live.next()).finish(OK);
  for (const { answered } of all) {
    const [answer] = await answered;
    answer.resume();
    expect(answer.statusCode).toBe(204);
  }
});

test("a runner that is gone is told before there is no room", async () => {
  const at = await started();
  const { me, path } = at;
  const headers = { "content-length": String(32 * 1024 * 1024) };
  const all = await Promise.all(Array.from({ length: 8 }, () => heldBack(at, headers)));
  // 400 where there is room
  const body = { copy: [{ path: "" }] };
  const patched = async (to: string) => (await me.patch(to, body)).status;
  await expect.poll(() => patched(`${path}/files`), { timeout: 30_000 }).toBe(500);
  const gone = "/runners/0-00000000-0000-4000-8000-000000000000/files";
  expect(await patched(gone)).toBe(410);
  for (const { asked } of all) asked.destroy();
});
