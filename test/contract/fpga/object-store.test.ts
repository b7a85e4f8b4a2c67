import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OBJECT_BOUNDS } from "#lambdas/dialects/fpga/objects/bucket-record.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { filesOf } from "#test/support/fpga/files-of-tar.ts";
import { signObjects } from "#test/support/fpga/sign-objects.ts";
import { register, removeImages, settled } from "./support/images.ts";
import { type Key, makeKey, revokeKey } from "./support/keys.ts";
import { bearer } from "./support/objects.ts";
import { type Sent, send as sendTo } from "./support/send.ts";
import { bare, target as deployment, other, type User, user } from "./support/session.ts";

/** Begins the names of its buckets. */
const OWN = "contract-store";

// A function URL takes no bodies of this size: it is a server's
describe("the object store", { tags: ["server"] }, () => {
  let me: User;
  let they: User;
  let mine: Key;
  let theirs: Key;
  beforeAll(async () => {
    [me, they] = await Promise.all([user(), other()]);
    [mine, theirs] = await Promise.all([makeKey(me), makeKey(they)]);
  });
  afterAll(async () => {
    await removeImages(me);
    for (const key of [mine, theirs]) await clear(key);
    await revokeKey(me, mine);
    await revokeKey(they, theirs);
  });

  const md5 = (bytes: Uint8Array | string, as: "hex" | "base64" = "hex") =>
    createHash("md5").update(bytes).digest(as);
  const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
  const NS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

  /** Sends a target as it is given; signed, unless it brings its own authorization. */
  function send(
    method: string,
    target: string,
    { headers = {}, body, key = mine }: Sent & { key?: Key } = {},
  ) {
    const given = { date: new Date().toUTCString(), ...headers };
    const authorization = signObjects({ ...key, method, target, headers: given });
    const sent = { headers: { authorization, ...given }, ...(body !== undefined && { body }) };
    return sendTo(storeUrl(), method, target, sent);
  }
  function storeUrl(): string {
    if (deployment.objectStore === undefined) throw new Error("the deployment has no object store");
    return deployment.objectStore;
  }
  /** Removes the suite's buckets with what is in them. */
  async function clear(key: Key): Promise<void> {
    const found = (text: string, tag: string) =>
      [...text.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, "g"))].map(([, value]) => value!);
    for (const bucket of found((await send("GET", "/", { key })).text, "Name")) {
      if (!bucket.startsWith("contract-")) continue;
      for (const name of found((await send("GET", `/${bucket}`, { key })).text, "Key")) {
        await send("DELETE", `/${bucket}/${encodeURIComponent(name)}`, { key });
      }
      await send("DELETE", `/${bucket}`, { key });
    }
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
      for (let n = 0; n < 2; n++)
        expect(await send("PUT", `/${OWN}`)).toMatchObject({ status: 200, text: "" });
      expect((await send("HEAD", `/${OWN}`)).status).toBe(200);
      const { domain, name, edge } = me;
      const bucket = (name: string) =>
        `<Bucket><Name>${name}</Name><CreationDate>[0-9T:.-]+Z</CreationDate></Bucket>`;
      expect((await send("GET", "/")).text).toMatch(
        new RegExp(
          `^<\\?xml [^>]*\\?>\\n<ListAllMyBucketsResult${NS}><Owner><ID>${domain}</ID><DisplayName>${name}</DisplayName></Owner><Buckets>(?:${bucket("[^<]+")})*${bucket(OWN)}(?:${bucket("[^<]+")})*</Buckets></ListAllMyBucketsResult>$`,
        ),
      );
      expect((await send("GET", `/${OWN}?location`)).text).toBe(
        `${HEAD}<CreateBucketConfiguration${NS}><LocationConstraint>${edge}</LocationConstraint></CreateBucketConfiguration>`,
      );
      expect((await send("GET", `/${OWN}?acl`)).text).toBe(
        `${HEAD}<AccessControlPolicy${NS}><Owner><ID>${domain}</ID></Owner><AccessControlList><Grant><Grantee><ID>${domain}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`,
      );
      expect((await send("GET", "/", { key: theirs })).text).not.toContain(OWN);
      await send("PUT", `/${OWN}/a.bin`, { body: "x" });
      expect(await send("DELETE", `/${OWN}`)).toMatchObject(refused(409, "BucketNotEmpty"));
      await send("DELETE", `/${OWN}/a.bin`);
      expect(await send("DELETE", `/${OWN}`)).toMatchObject({ status: 204, text: "" });
      for (const target of [`/${OWN}`, `/${OWN}?location`, `/${OWN}?acl`, `/${OWN}?prefix=a`]) {
        expect(await send("GET", target), target).toMatchObject(refused(404, "NoSuchBucket"));
      }
      expect(await send("HEAD", `/${OWN}`)).toMatchObject({ status: 404, text: "" });
      expect(await send("DELETE", `/${OWN}`)).toMatchObject(refused(404, "NoSuchBucket"));
    });

    it("is made in the project's region alone", async () => {
      const body = (region: string) =>
        `<CreateBucketConfiguration${NS}><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
      const answer = await send("PUT", `/${OWN}-elsewhere`, { body: body(`${me.edge}x`) });
      expect(answer).toMatchObject(refused(400, "IllegalLocationConstraintException"));
      expect((await send("PUT", `/${OWN}-elsewhere`, { body: body(me.edge) })).status).toBe(200);
      expect(await send("PUT", `/${OWN}-elsewhere`, { body: "nonsense" })).toMatchObject(
        refused(400, "MalformedXML"),
      );
      await send("DELETE", `/${OWN}-elsewhere`);
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
      const names = Array.from({ length: OBJECT_BOUNDS.buckets }, (_, n) => `/${OWN}-${n}`);
      for (const name of names) expect((await send("PUT", name, { key: theirs })).status).toBe(200);
      expect(await send("PUT", `/${OWN}-another`, { key: theirs })).toMatchObject(
        refused(400, "TooManyBuckets"),
      );
      const put = await send("PUT", `/${OWN}-another/a.bin`, { key: theirs, body: "x" });
      expect(put).toMatchObject(refused(400, "TooManyBuckets"));
    });
  });

  describe("an object", () => {
    it("is stored, found, listed by pages and removed, with the MD5 as its ETag", async () => {
      const content = randomBytes(100_000);
      const etag = `"${md5(content)}"`;
      const headers = { "content-md5": md5(content, "base64"), "content-type": "application/octet-stream" };
      const put = await send("PUT", `/${OWN}-objects/a/b.bin`, { body: content, headers });
      expect(put).toMatchObject({ status: 200, text: "", headers: { etag } });
      const got = await send("GET", `/${OWN}-objects/a/b.bin`);
      expect(got.bytes.equals(content)).toBe(true);
      const shown = { etag, "content-length": "100000", "content-type": "application/octet-stream" };
      expect(got.headers).toMatchObject({ ...shown, "last-modified": expect.stringMatching(/ GMT$/) });
      const head = await send("HEAD", `/${OWN}-objects/a/b.bin`);
      expect(head).toMatchObject({ status: 200, text: "", headers: shown });
      for (const key of ["c", "a-", "a0"]) await send("PUT", `/${OWN}-objects/${key}`, { body: key });
      const list = async (query: string) => {
        const { text } = await send("GET", `/${OWN}-objects?${query}`);
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
      expect(await send("GET", `/${OWN}-objects?max-keys=x`)).toMatchObject(refused(400, "InvalidArgument"));
      for (let n = 0; n < 2; n++) expect((await send("DELETE", `/${OWN}-objects/a/b.bin`)).status).toBe(204);
      expect(await send("GET", `/${OWN}-objects/a/b.bin`)).toMatchObject(refused(404, "NoSuchKey"));
      expect(await send("HEAD", `/${OWN}-objects/a/b.bin`)).toMatchObject({ status: 404, text: "" });
      expect(await send("GET", `/${OWN}-nothing/a.bin`)).toMatchObject(refused(404, "NoSuchBucket"));
      expect(await send("DELETE", `/${OWN}-nothing/a.bin`)).toMatchObject(refused(404, "NoSuchBucket"));
      expect(await send("GET", `/${OWN}-objects/c`, { key: theirs })).toMatchObject(
        refused(404, "NoSuchBucket"),
      );
    });

    it("is read in parts", async () => {
      const content = Buffer.from("0123456789");
      const { headers } = await send("PUT", `/${OWN}-objects/parts.bin`, { body: content });
      const etag = String(headers.etag);
      const get = async (headers: Record<string, string>, method = "GET") => {
        const got = await send(method, `/${OWN}-objects/parts.bin`, { headers });
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
      const behind = await send("GET", `/${OWN}-objects/parts.bin`, { headers: { range: "bytes=10-" } });
      expect(behind).toMatchObject(refused(416, "InvalidRange"));
      expect(behind.headers["content-range"]).toBe("bytes */10");
    });

    it.each(["../a.bin", "/a.bin", "a//b.bin", "a/../../b.bin", "..", ".", "/", ".".repeat(64), "%2e%2e/x"])(
      "has the key %s, which leads nowhere",
      async (key) => {
        const target = `/${OWN}-odd-keys/${key}`;
        expect((await send("PUT", target, { body: key })).status).toBe(200);
        expect((await send("GET", target)).text).toBe(key);
        const { text } = await send("GET", `/${OWN}-odd-keys`);
        expect(text).toContain(`<Key>${decodeURIComponent(key)}</Key>`);
        expect((await send("DELETE", target)).status).toBe(204);
        expect((await send("GET", `/${OWN}-odd-keys`)).text).not.toContain("<Key>");
      },
    );

    it.each(["a~b", "a%20b", "%C3%A9", "a%00", "a".repeat(65), "a%ZZ", "a:b"])(
      "is refused as %s",
      async (key) => {
        expect(await send("PUT", `/${OWN}-odd-keys/${key}`, { body: "x" })).toMatchObject(
          refused(400, "InvalidArgument"),
        );
      },
    );

    it("that arrives wrong does not appear", async () => {
      const put = (headers: Record<string, string>, body = "x") =>
        send("PUT", `/${OWN}-refused/a.bin`, { body, headers });
      expect(await put({ "content-md5": md5("y", "base64") })).toMatchObject(refused(400, "BadDigest"));
      expect(await put({ "content-md5": "x" })).toMatchObject(refused(400, "InvalidDigest"));
      expect(
        await send("PUT", `/${OWN}-refused/a.bin`, { headers: { "transfer-encoding": "chunked" } }),
      ).toMatchObject(refused(411, "MissingContentLength"));
      const expects = { expect: "100-continue", "content-length": String(OBJECT_BOUNDS.bytes + 1) };
      expect(await send("PUT", `/${OWN}-refused/a.bin`, { headers: expects })).toMatchObject(
        refused(400, "EntityTooLarge"),
      );
      expect(await send("PUT", `/${OWN}-refused/fpga-log/a.bin`, { body: "x" })).toMatchObject(
        refused(403, "AccessDenied"),
      );
      expect(await send("DELETE", `/${OWN}-refused/fpga-log/a.bin`)).toMatchObject(
        refused(403, "AccessDenied"),
      );
      expect((await send("GET", `/${OWN}-refused/a.bin`)).status).toBe(404);
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
          signObjects({ ...mine, method: "PUT", target: "/", headers: { date: now() } }),
          "SignatureDoesNotMatch",
        ],
        [`AWS ${mine.accessKey}:x`, "SignatureDoesNotMatch"],
        [`AWS PG${"A".repeat(18)}:${"A".repeat(27)}=`, "InvalidAccessKeyId"],
        ["AWS x", "InvalidAccessKeyId"],
      ] as const) {
        expect(await send("GET", "/", { headers: { authorization } }), authorization).toMatchObject(
          refused(403, code),
        );
      }
      for (const authorization of [`Bearer ${me.token}`, "AWS4-HMAC-SHA256 Credential=x"]) {
        expect(await send("GET", "/", { headers: { authorization } })).toMatchObject(
          refused(400, "InvalidRequest"),
        );
      }
    });

    it("is refused without a signature, and once the key is revoked", async () => {
      expect(await sendTo(storeUrl(), "GET", "/")).toMatchObject(refused(403, "AccessDenied"));
      const key = await makeKey(me);
      expect((await send("GET", "/", { key })).status).toBe(200);
      await revokeKey(me, key);
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
    expect((await send("PUT", `/${OWN}-images/fpga.bin`, { body: content })).status).toBe(200);
    const id = await register(me, { location: `${OWN}-images:fpga.bin` });
    const none = await register(me, { location: `${OWN}-nothing:fpga.bin` });
    const image = await settled(me, id);
    expect(image).toMatchObject({ status: "active", log_directory: `${OWN}-images:fpga-log` });
    const log = `/${OWN}-images/fpga-log/${id}_log.tar`;
    const got = await send("GET", log);
    expect(got).toMatchObject({ status: 200, headers: { "content-length": String(got.bytes.length) } });
    expect((await send("HEAD", log)).headers).toMatchObject({ etag: `"${md5(got.bytes)}"` });
    const part = await send("GET", log, { headers: { range: "bytes=0-10" } });
    expect([part.status, part.text]).toEqual([206, "report.json"]);
    const files = filesOf(got.bytes);
    expect([...files.keys()]).toEqual(["report.json", "agent.log", "loads.json"]);
    expect(JSON.parse(files.get("report.json")!)).toMatchObject({ id, sha256: image.sha256 });
    const native = await bare("GET", `/fpga/images/${id}/log`, { headers: bearer(me) });
    expect(native).toMatchObject({ status: 200, text: got.text });
    // of a bucket that does not exist, too
    await settled(me, none);
    const failed = filesOf((await send("GET", `/${OWN}-nothing/fpga-log/${none}_log.tar`)).bytes);
    expect(JSON.parse(failed.get("report.json")!)).toMatchObject({ id: none, status: "error", checks: [] });
    for (const [target, key] of [
      [log, theirs],
      [log.replace("-images", "-other"), mine],
      [log.replace(id, "0".repeat(32)), mine],
      [`/${OWN}-images/fpga-log/x`, mine],
    ] as const) {
      expect(await send("GET", target, { key }), target).toMatchObject(refused(404, "NoSuchKey"));
    }
  });
});
