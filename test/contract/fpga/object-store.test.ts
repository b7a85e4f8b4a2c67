import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OBJECT_BOUNDS } from "#lambdas/dialects/fpga/objects/bucket-record.ts";
import { groundSettings } from "#lambdas/ground-settings.ts";
import { MiB } from "#protocol/limits.ts";
import {
  type FpgaGround,
  type FpgaGroundOptions,
  startFpgaGround,
} from "#test/dialects/fpga/support/fpga-ground.ts";
import { makeCertificate } from "#test/support/certificate.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { signObjects } from "#test/support/fpga/sign-objects.ts";

type Key = { accessKey: string; secret: string };
type Sent = { headers?: Record<string, string>; body?: Uint8Array | string; key?: Key };

const QUOTA = 6 * MiB;
let ground: FpgaGround;
let ada: Key;
let bob: Key;
beforeAll(async () => {
  ground = await startFpgaGround({ obsPort: 0, quota: QUOTA });
  const keyOf = (user: string) => ground.parts.keys.create(ground.project(user), Date.now());
  [ada, bob] = await Promise.all([keyOf("ada"), keyOf("bob")]);
});
afterAll(() => ground.stop());

const md5 = (bytes: Uint8Array | string, as: "hex" | "base64" = "hex") =>
  createHash("md5").update(bytes).digest(as);
const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/** Sends a target as it is given; signed, unless it brings its own authorization. */
function send(method: string, target: string, { headers = {}, body, key = ada }: Sent = {}) {
  const given = { date: new Date().toUTCString(), ...headers };
  const authorization = signObjects({ ...key, method, target, headers: given });
  const sent = { authorization, ...given };
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const { port } = new URL(ground.objectStore!);
  const host = "127.0.0.1";
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer; text: string }>(
    (resolve, reject) => {
      const request = http.request({ host, port, method, path: target, headers: { ...length, ...sent } });
      request.once("error", reject);
      request.once("response", (answer) =>
        buffer(answer).then((bytes) => {
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: bytes,
            text: String(bytes),
          });
        }, reject),
      );
      request.end(body);
    },
  );
}
const refused = (status: number, code: string) => ({
  status,
  text: expect.stringMatching(
    new RegExp(
      `^<\\?xml version="1\\.0" encoding="UTF-8"\\?>\\n<Error><Code>${code}</Code><Message>[\\x20-\\x7e]+</Message><RequestId>[0-9A-F]+</RequestId></Error>$`,
    ),
  ),
  headers: expect.objectContaining({ "content-type": "application/xml" }),
});

describe("a bucket", () => {
  it("is made, found, listed and removed; making it again changes nothing", async () => {
    for (let n = 0; n < 2; n++) expect(await send("PUT", "/first")).toMatchObject({ status: 200, text: "" });
    expect((await send("HEAD", "/first")).status).toBe(200);
    const { domain } = ground.project();
    expect((await send("GET", "/")).text).toMatch(
      new RegExp(
        `^<\\?xml [^>]*\\?>\\n<ListAllMyBucketsResult${NS}><Owner><ID>${domain}</ID><DisplayName>ada</DisplayName></Owner><Buckets><Bucket><Name>first</Name><CreationDate>[0-9T:.-]+Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>$`,
      ),
    );
    expect((await send("GET", "/first?location")).text).toBe(
      `${HEAD}<CreateBucketConfiguration${NS}><LocationConstraint>em1</LocationConstraint></CreateBucketConfiguration>`,
    );
    expect((await send("GET", "/first?acl")).text).toBe(
      `${HEAD}<AccessControlPolicy${NS}><Owner><ID>${domain}</ID></Owner><AccessControlList><Grant><Grantee><ID>${domain}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`,
    );
    expect((await send("GET", "/", { key: bob })).text).not.toContain("first");
    await send("PUT", "/first/a.bin", { body: "x" });
    expect(await send("DELETE", "/first")).toMatchObject(refused(409, "BucketNotEmpty"));
    await send("DELETE", "/first/a.bin");
    expect(await send("DELETE", "/first")).toMatchObject({ status: 204, text: "" });
    for (const target of ["/first", "/first?location", "/first?acl", "/first?prefix=a"]) {
      expect(await send("GET", target), target).toMatchObject(refused(404, "NoSuchBucket"));
    }
    expect(await send("HEAD", "/first")).toMatchObject({ status: 404, text: "" });
    expect(await send("DELETE", "/first")).toMatchObject(refused(404, "NoSuchBucket"));
  });

  it("is made in the project's region alone", async () => {
    const body = (region: string) =>
      `<CreateBucketConfiguration${NS}><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
    const answer = await send("PUT", "/elsewhere", { body: body("em2") });
    expect(answer).toMatchObject(refused(400, "IllegalLocationConstraintException"));
    expect((await send("PUT", "/elsewhere", { body: body("em1") })).status).toBe(200);
    expect(await send("PUT", "/elsewhere", { body: "nonsense" })).toMatchObject(refused(400, "MalformedXML"));
    await send("DELETE", "/elsewhere");
  });

  it.each(["/ab", "/A-b", "/a..b", "/1.2.3.4", "/-ab", "/a_b", `/${"a".repeat(64)}`])(
    "is refused as %s",
    async (target) => {
      expect(await send("PUT", target)).toMatchObject(refused(400, "InvalidBucketName"));
      expect(await send("PUT", `${target}/a.bin`, { body: "x" })).toMatchObject(
        refused(400, "InvalidBucketName"),
      );
    },
  );

  it("is one of ten", async () => {
    const names = Array.from({ length: OBJECT_BOUNDS.buckets }, (_, n) => `/bucket-${n}`);
    for (const name of names) expect((await send("PUT", name, { key: bob })).status).toBe(200);
    expect(await send("PUT", "/another", { key: bob })).toMatchObject(refused(400, "TooManyBuckets"));
    const put = await send("PUT", "/another/a.bin", { key: bob, body: "x" });
    expect(put).toMatchObject(refused(400, "TooManyBuckets"));
  });
});

describe("an object", () => {
  it("is stored, found, listed by pages and removed, with the MD5 as its ETag", async () => {
    const content = randomBytes(100_000);
    const etag = `"${md5(content)}"`;
    const headers = { "content-md5": md5(content, "base64"), "content-type": "application/octet-stream" };
    const put = await send("PUT", "/objects/a/b.bin", { body: content, headers });
    expect(put).toMatchObject({ status: 200, text: "", headers: { etag } });
    const got = await send("GET", "/objects/a/b.bin");
    expect(got.body.equals(content)).toBe(true);
    const shown = { etag, "content-length": "100000", "content-type": "application/octet-stream" };
    expect(got.headers).toMatchObject({ ...shown, "last-modified": expect.stringMatching(/ GMT$/) });
    const head = await send("HEAD", "/objects/a/b.bin");
    expect(head).toMatchObject({ status: 200, text: "", headers: shown });
    for (const key of ["c", "a-", "a0"]) await send("PUT", `/objects/${key}`, { body: key });
    const list = async (query: string) => {
      const { text } = await send("GET", `/objects?${query}`);
      const keys = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
      return { keys, isCut: text.includes("<IsTruncated>true</IsTruncated>"), text };
    };
    const all = ["a-", "a/b.bin", "a0", "c"];
    const whole = await list("");
    expect(whole).toMatchObject({ keys: all, isCut: false });
    expect(whole.text).toContain(`<ETag>&quot;${md5(content)}&quot;</ETag><Size>100000</Size>`);
    expect(await list("max-keys=2")).toMatchObject({ keys: all.slice(0, 2), isCut: true });
    expect(await list("marker=a%2Fb.bin")).toMatchObject({ keys: all.slice(2), isCut: false });
    expect(await list("prefix=a&max-keys=1000")).toMatchObject({ keys: all.slice(0, 3) });
    expect((await list("prefix=%C3%A9%01%26")).text).toContain("<Prefix>&#xe9;&#xfffd;&amp;</Prefix>");
    expect(await send("GET", "/objects?max-keys=x")).toMatchObject(refused(400, "InvalidArgument"));
    for (let n = 0; n < 2; n++) expect((await send("DELETE", "/objects/a/b.bin")).status).toBe(204);
    expect(await send("GET", "/objects/a/b.bin")).toMatchObject(refused(404, "NoSuchKey"));
    expect(await send("HEAD", "/objects/a/b.bin")).toMatchObject({ status: 404, text: "" });
    expect(await send("GET", "/nothing/a.bin")).toMatchObject(refused(404, "NoSuchBucket"));
    expect(await send("DELETE", "/nothing/a.bin")).toMatchObject(refused(404, "NoSuchBucket"));
    expect(await send("GET", "/objects/c", { key: bob })).toMatchObject(refused(404, "NoSuchBucket"));
  });

  it("is read in parts", async () => {
    const content = Buffer.from("0123456789");
    const { headers } = await send("PUT", "/objects/parts.bin", { body: content });
    const etag = String(headers.etag);
    const get = async (headers: Record<string, string>, method = "GET") => {
      const got = await send(method, "/objects/parts.bin", { headers });
      return [got.status, got.headers["content-range"], got.text];
    };
    const all = [200, undefined, "0123456789"];
    expect(await get({ range: "bytes=2-5" })).toEqual([206, "bytes 2-5/10", "2345"]);
    expect(await get({ range: "bytes=8-" })).toEqual([206, "bytes 8-9/10", "89"]);
    expect(await get({ range: "bytes=-3", "if-range": etag })).toEqual([206, "bytes 7-9/10", "789"]);
    expect(await get({ range: "bytes=2-5", "if-range": '"other"' })).toEqual(all);
    for (const range of ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2"])
      expect(await get({ range })).toEqual(all);
    expect((await get({ range: "bytes=2-5" }, "HEAD")).slice(0, 2)).toEqual([200, undefined]);
    const behind = await send("GET", "/objects/parts.bin", { headers: { range: "bytes=10-" } });
    expect(behind).toMatchObject(refused(416, "InvalidRange"));
    expect(behind.headers["content-range"]).toBe("bytes */10");
  });

  it.each(["../a.bin", "/a.bin", "a//b.bin", "a/../../b.bin", "..", ".", "/", ".".repeat(64), "%2e%2e/x"])(
    "has the key %s, which leads nowhere",
    async (key) => {
      const target = `/odd-keys/${key}`;
      expect((await send("PUT", target, { body: key })).status).toBe(200);
      expect((await send("GET", target)).text).toBe(key);
      const { text } = await send("GET", "/odd-keys");
      expect(text).toContain(`<Key>${decodeURIComponent(key)}</Key>`);
      expect((await send("DELETE", target)).status).toBe(204);
      expect((await send("GET", "/odd-keys")).text).not.toContain("<Key>");
    },
  );

  it.each(["a~b", "a%20b", "%C3%A9", "a%00", "a".repeat(65), "a%ZZ", "a:b"])(
    "is refused as %s",
    async (key) => {
      expect(await send("PUT", `/odd-keys/${key}`, { body: "x" })).toMatchObject(
        refused(400, "InvalidArgument"),
      );
    },
  );

  it("that arrives wrong does not appear", async () => {
    const put = (headers: Record<string, string>, body = "x") =>
      send("PUT", "/refused/a.bin", { body, headers });
    expect(await put({ "content-md5": md5("y", "base64") })).toMatchObject(refused(400, "BadDigest"));
    expect(await put({ "content-md5": "x" })).toMatchObject(refused(400, "InvalidDigest"));
    expect(
      await send("PUT", "/refused/a.bin", { headers: { "transfer-encoding": "chunked" } }),
    ).toMatchObject(refused(411, "MissingContentLength"));
    const expects = { expect: "100-continue", "content-length": String(OBJECT_BOUNDS.bytes + 1) };
    expect(await send("PUT", "/refused/a.bin", { headers: expects })).toMatchObject(
      refused(400, "EntityTooLarge"),
    );
    const over = { expect: "100-continue", "content-length": String(QUOTA + 1) };
    expect(await send("PUT", "/refused/a.bin", { headers: over })).toMatchObject(
      refused(403, "QuotaExceeded"),
    );
    expect(await send("PUT", "/refused/fpga-log/a.bin", { body: "x" })).toMatchObject(
      refused(403, "AccessDenied"),
    );
    expect(await send("DELETE", "/refused/fpga-log/a.bin")).toMatchObject(refused(403, "AccessDenied"));
    expect((await send("GET", "/refused/a.bin")).status).toBe(404);
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
    expect(await ground.parts.userObjects.buckets.arriving(ground.project().uid)).toEqual([]);
  });

  it("that is larger than what is left is refused while the client still sends", async () => {
    const answer = await send("PUT", "/refused/a.bin", { body: Buffer.alloc(QUOTA + 1) });
    expect(answer).toMatchObject(refused(403, "QuotaExceeded"));
  });
});

describe("who asks", () => {
  const now = () => new Date().toUTCString();

  it("signs over what is sent, with either date", async () => {
    expect((await send("GET", "/", { headers: { date: now().replace("GMT", "+0000") } })).status).toBe(200);
    const own = { "x-amz-date": now(), "x-amz-meta-b": "2", "x-amz-meta-a": "1" };
    expect((await send("GET", "/", { headers: own })).status).toBe(200);
    const earlier = new Date(Date.now() - 16 * 60_000).toUTCString();
    expect(await send("GET", "/", { headers: { date: earlier } })).toMatchObject(
      refused(403, "RequestTimeTooSkewed"),
    );
    expect(await send("GET", "/", { headers: { date: "yesterday" } })).toMatchObject(
      refused(403, "AccessDenied"),
    );
    for (const [authorization, code] of [
      [
        signObjects({ ...ada, method: "PUT", target: "/", headers: { date: now() } }),
        "SignatureDoesNotMatch",
      ],
      [`AWS ${ada.accessKey}:x`, "SignatureDoesNotMatch"],
      [`AWS PG${"A".repeat(18)}:${"A".repeat(27)}=`, "InvalidAccessKeyId"],
      ["AWS x", "InvalidAccessKeyId"],
    ] as const) {
      expect(await send("GET", "/", { headers: { authorization } }), authorization).toMatchObject(
        refused(403, code),
      );
    }
    for (const authorization of [`Bearer ${ground.token("ada")}`, "AWS4-HMAC-SHA256 Credential=x"]) {
      expect(await send("GET", "/", { headers: { authorization } })).toMatchObject(
        refused(400, "InvalidRequest"),
      );
    }
  });

  it("is refused without a signature, and once the key is revoked", async () => {
    const { port } = new URL(ground.objectStore!);
    const bare = await fetch(`http://127.0.0.1:${port}/`);
    expect([bare.status, await bare.text()]).toEqual([
      403,
      expect.stringContaining("<Code>AccessDenied</Code>"),
    ]);
    const key = await ground.parts.keys.create(ground.project(), Date.now());
    expect((await send("GET", "/", { key })).status).toBe(200);
    await ground.parts.keys.revoke(ground.project().id, key.accessKey);
    expect(await send("GET", "/", { key })).toMatchObject(refused(403, "InvalidAccessKeyId"));
  });

  it.each([
    ["POST", "/"],
    ["PUT", "/"],
    ["POST", "/abc"],
    ["POST", "/abc/a.bin?uploads"],
    ["GET", "/abc?policy"],
    ["GET", "/abc?acl&location"],
    ["GET", "/abc?list-type=2"],
    ["GET", "/abc/a.bin?acl"],
    ["PUT", "/abc?acl"],
    ["PATCH", "/abc/a.bin"],
  ])("asks for %s %s, which there is not", async (method, target) => {
    expect(await send(method, target)).toMatchObject(refused(501, "NotImplemented"));
  });
});

it("an object that a client stored is registered, and its log is read where its directory says", async () => {
  const content = buildRawStream();
  expect((await send("PUT", "/obs-fpga/fpga.bin", { body: content })).status).toBe(200);
  const id = await ground.register();
  const none = await ground.register({ location: "nothing:fpga.bin" });
  await ground.checked();
  const agent = await ground.startAgent();
  const [command] = await agent.claim();
  const { sha256, bytes } = command!.input as { sha256: string; bytes: number };
  const log = `/obs-fpga/fpga-log/${id}_log.tar`;
  expect(await send("GET", log)).toMatchObject(refused(404, "NoSuchKey"));
  await agent.report(command!, { state: "succeeded", result: { sha256, bytes } });
  const got = await send("GET", log);
  expect(got).toMatchObject({ status: 200, headers: { "content-length": String(got.body.length) } });
  expect((await send("HEAD", log)).headers).toMatchObject({ etag: `"${md5(got.body)}"` });
  const part = await send("GET", log, { headers: { range: "bytes=0-10" } });
  expect([part.status, part.text]).toEqual([206, "report.json"]);
  const files = filesOf(got.body);
  expect([...files.keys()]).toEqual(["report.json", "agent.log", "loads.json"]);
  const report = JSON.parse(files.get("report.json")!) as { checks: unknown[] };
  expect(report).toMatchObject({
    id,
    status: "active",
    sha256,
    format: "xilinx-bin-be",
    location: "obs-fpga:fpga.bin",
  });
  expect(report.checks.length).toBeGreaterThan(8);
  const headers = { authorization: `Bearer ${ground.token("ada")}` };
  const native = await ground.send("GET", `/fpga/images/${id}/log`, { headers });
  expect(native).toMatchObject({ status: 200, text: got.text });
  // of a bucket that does not exist, too
  const failed = filesOf((await send("GET", `/nothing/fpga-log/${none}_log.tar`)).body);
  expect(JSON.parse(failed.get("report.json")!)).toMatchObject({
    status: "error",
    message: expect.stringMatching(/^OBJECT_MISSING: /),
    checks: [],
  });
  for (const [target, key] of [
    [log, bob],
    [log.replace("obs-fpga", "other"), ada],
    [log.replace(id, "0".repeat(32)), ada],
    ["/obs-fpga/fpga-log/x", ada],
  ] as const) {
    expect(await send("GET", target, { key }), target).toMatchObject(refused(404, "NoSuchKey"));
  }
  const other = { headers: { authorization: `Bearer ${ground.token("bob")}` } };
  expect((await ground.send("GET", `/fpga/images/${id}/log`, other)).status).toBe(404);
});

/** Texts of a tar's files, by name. */
function filesOf(tar: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  for (let at = 0; tar[at] !== 0; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 135), 8);
    files.set(name, tar.toString("utf8", at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

it("the port is the operator's, and the store speaks TLS where the ground does", async () => {
  for (const value of ["x", "-1", "65536", "1.5"]) {
    const environment = { PERIGEE_DIALECTS: "em,fpga", PERIGEE_OBS_PORT: value };
    expect(() => groundSettings(environment), value).toThrow(/^PERIGEE_OBS_PORT: "/);
  }
  expect((await startedAndStopped({})).objectStore).toBeUndefined();
  const directory = await mkdtemp(join(tmpdir(), "perigee-fpga-tls-"));
  try {
    const files = await makeCertificate(directory, "store");
    const [cert, key] = [await readFile(files.cert, "utf8"), await readFile(files.key, "utf8")];
    const { objectStore, status } = await startedAndStopped({ obsPort: 0, tls: { cert, key } }, cert);
    expect(objectStore).toMatch(/^https:/);
    expect(status).toBe(200);
  } finally {
    await rm(directory, { recursive: true });
  }
});

/** A ground with these options, and what its store answers to a signed request. */
async function startedAndStopped(options: FpgaGroundOptions, ca?: string) {
  const other = await startFpgaGround(options);
  try {
    const { objectStore } = other;
    if (objectStore === undefined) return { objectStore };
    const key = await other.parts.keys.create(other.project(), Date.now());
    const headers = { date: new Date().toUTCString() };
    const authorization = signObjects({ ...key, method: "GET", target: "/", headers });
    const request = https.get(objectStore, { headers: { ...headers, authorization }, ca, agent: false });
    const [answer] = (await once(request, "response")) as [http.IncomingMessage];
    answer.resume();
    return { objectStore, status: answer.statusCode };
  } finally {
    await other.stop();
  }
}
