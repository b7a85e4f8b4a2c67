import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { HeadObjectCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { xxh64 } from "@node-rs/xxhash";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { S3Staging } from "#lambdas/adapters/s3/staging.ts";
import { MiB } from "#protocol/limits.ts";
import { stagingConformance } from "#test/conformance/staging.ts";
import { stagingCopyConformance } from "#test/conformance/staging-copy.ts";
import { awsAt, makeBucket } from "./support/aws.ts";
import { s3UnderTest } from "./support/s3-under-test.ts";

const endpoint = inject("awsEndpoint");

stagingConformance("S3", () => s3UnderTest(endpoint));
stagingCopyConformance("S3", () => s3UnderTest(endpoint));

describe("objects of several parts", () => {
  const aws = awsAt(endpoint);
  let bucket: string;
  let staging: S3Staging;
  beforeAll(async () => {
    bucket = await makeBucket(aws.s3);
    staging = new S3Staging({ client: aws.s3, bucket });
  });
  afterAll(() => aws.close());

  const uploads = async () =>
    (await aws.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? [];
  const pieces = function* (content: Buffer) {
    // of a size that never meets a part's end
    for (let at = 0; at < content.length; at += 100_003) yield content.subarray(at, at + 100_003);
  };
  const stream = (content: Buffer) => Readable.from(pieces(content), { objectMode: false });

  test.each([8 * MiB - 1, 8 * MiB, 8 * MiB + 1, 41 * MiB + 7])(
    "of %d bytes come back whole",
    async (size) => {
      const content = randomBytes(size);
      const stored = await staging.put(`uplink/a/p/c/${size}`, stream(content), { maxBytes: 64 * MiB });
      expect(stored).toEqual({ size, xxh64: xxh64(content).toString(16).padStart(16, "0") });
      const { body } = await staging.get(`uplink/a/p/c/${size}`);
      expect((await buffer(body)).equals(content)).toBe(true);
      const head = await aws.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: `uplink/a/p/c/${size}` }));
      // an object of several parts is named so in its ETag
      expect(head.ETag?.includes("-")).toBe(size >= 8 * MiB);
      expect(await uploads()).toEqual([]);
    },
  );

  test("are copied in parts where one request does not copy so many bytes", async () => {
    const parts = new S3Staging({ client: aws.s3, bucket, copyBytes: 5 * MiB });
    const content = randomBytes(11 * MiB + 1);
    await staging.put("downlink/a/_/c/1.0", content, { maxBytes: 64 * MiB });
    expect(await parts.copy("downlink/a/_/c/1.0", "kept/a/d/1")).toBe(content.length);
    const { body } = await staging.get("kept/a/d/1");
    expect((await buffer(body)).equals(content)).toBe(true);
    expect(await uploads()).toEqual([]);
  });

  test("leave no part when the body is too long, breaks, or is aborted", async () => {
    const put = (body: Readable, options = {}) =>
      staging.put("uplink/a/p/c/failed", body, { maxBytes: 30 * MiB, ...options });
    await expect(put(stream(randomBytes(31 * MiB)))).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
    expect(await uploads()).toEqual([]);

    const breaking = new PassThrough();
    const broken = put(breaking);
    breaking.write(randomBytes(20 * MiB), () => breaking.destroy(new Error("broken")));
    await expect(broken).rejects.toThrow("broken");
    expect(await uploads()).toEqual([]);

    const abort = new AbortController();
    const body = new PassThrough();
    const aborted = put(body, { signal: abort.signal });
    body.write(randomBytes(20 * MiB), () => abort.abort(new Error("enough")));
    await expect(aborted).rejects.toThrow("enough");
    body.destroy();
    expect(await uploads()).toEqual([]);
    expect(await staging.list("uplink/a/p/c/failed")).toEqual([]);
  });
});
