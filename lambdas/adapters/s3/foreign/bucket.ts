import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { MiB } from "#protocol/limits.ts";
import {
  type ForeignBucket,
  ForeignBucketFailed,
  type ForeignFailure,
  type ForeignKeys,
  type ForeignPlace,
} from "../../../ports/foreign-buckets.ts";
import { receive } from "../../directory/receive.ts";
import { S3Sink } from "../sink.ts";
import { S3Upload } from "../upload.ts";
import { checkedAddresses, type Resolve, systemResolve } from "./checked-addresses.ts";
import { failureOf } from "./failure-of.ts";
import { pinnedAgent } from "./pinned-agent.ts";

export type OpenBucketOptions = {
  /** default: the system's */
  resolve?: Resolve;
  /** default 30 s */
  silenceMs?: number;
};

const SILENCE_MS = 30_000;
const ATTEMPTS = 3;
/** Of an answer that is no object: S3's own listings of a thousand names have less. */
const MOST_ANSWER = 4 * MiB;
const MOST_NAMES = 1000;

/** See OpenForeignBucket. */
export async function openBucket(
  place: ForeignPlace,
  keys: ForeignKeys,
  { resolve = systemResolve, silenceMs = SILENCE_MS }: OpenBucketOptions = {},
): Promise<ForeignBucket> {
  const addresses = await checkedAddresses(place, { resolve, mostMs: silenceMs });
  const { host, port, region, bucket: Bucket } = place;
  let over: ForeignBucketFailed | undefined;
  let held = 0;
  const agent = pinnedAgent({
    host,
    addresses,
    silenceMs,
    isWaitedFor: () => held > 0,
    onSilence: () => end("failed", "it was silent for too long"),
  });
  /** Ends all. @returns what is to be thrown within the SDK, which writes into its errors */
  const end = (kind: ForeignFailure, why: string): Error => {
    over ??= new ForeignBucketFailed(kind, why);
    agent.destroy();
    return new Error(why);
  };
  const client = new S3Client({
    region,
    endpoint: `https://${host}:${port}`,
    forcePathStyle: true,
    credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
    // nothing of what the ground's own account is set to
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    followRegionRedirects: false,
    maxAttempts: ATTEMPTS,
    requestHandler: { httpsAgent: agent, socketTimeout: 0 },
    expectContinueHeader: false,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  async function* pieces(body: Readable, mostBytes: number) {
    let bytes = 0;
    for await (const piece of body) {
      bytes += (piece as Buffer).length;
      if (bytes > mostBytes) throw end("failed", "its answer is too long");
      held += 1;
      try {
        yield piece as Buffer;
      } finally {
        held -= 1;
      }
    }
  }
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (over) throw new Error(over.message);
        const { hostname, port: at, protocol } = args.request as Sent;
        if (hostname !== host || (at ?? 443) !== port || protocol !== "https:") {
          throw end("forbidden", "another host is asked for");
        }
        const result = await next(args);
        const response = result.response as Received;
        const { statusCode: status, body } = response;
        if (status >= 300 && status < 400) {
          body.destroy();
          throw end("forbidden", "it leads elsewhere");
        }
        const isObject = commandName === "GetObjectCommand" && status < 300;
        response.body = Readable.from(pieces(body, isObject ? Number.POSITIVE_INFINITY : MOST_ANSWER), {
          objectMode: false,
        });
        return result;
      },
    // innermost: it sees each answer before the SDK does
    { step: "deserialize", priority: "low" },
  );

  const found = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (NOT_THERE.includes((error as Error).name)) return undefined;
      throw over ?? failureOf(error);
    }
  };
  const done = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw over ?? failureOf(error);
    }
  };
  const open = async (Key: string) => {
    const answer = await found(client.send(new GetObjectCommand({ Bucket, Key })));
    return answer && { body: answer.Body as Readable, about: answer.Metadata ?? {} };
  };

  return {
    async put(key, body, size) {
      const upload = new S3Upload(client, { Bucket, Key: key });
      const sink = new S3Sink(upload, size);
      try {
        await receive(body, sink);
      } catch (error) {
        await upload.abort();
        throw over ?? failureOf(error);
      }
    },
    async putSmall(Key, Body, Metadata) {
      const put = { Bucket, Key, Body, Metadata: { ...Metadata }, ContentType: "application/json" };
      await done(client.send(new PutObjectCommand(put)));
    },
    async getSmall(key, mostBytes) {
      const answer = await open(key);
      if (!answer) return undefined;
      const { body, about } = answer;
      const parts: Buffer[] = [];
      let bytes = 0;
      const read = async () => {
        for await (const part of body) {
          bytes += (part as Buffer).length;
          if (bytes > mostBytes) throw new ForeignBucketFailed("failed", "its answer is too long");
          parts.push(part as Buffer);
        }
      };
      await done(read());
      return { bytes: Buffer.concat(parts), about };
    },
    async size(Key) {
      const answer = await found(client.send(new HeadObjectCommand({ Bucket, Key })));
      return answer && (answer.ContentLength ?? 0);
    },
    async get(key) {
      const answer = await open(key);
      return answer && Readable.from(told(answer.body), { objectMode: false });
    },
    async names(Prefix) {
      const list = { Bucket, Prefix, Delimiter: "/", MaxKeys: MOST_NAMES };
      const page = await done(client.send(new ListObjectsV2Command(list)));
      const names = (page.CommonPrefixes ?? []).map((level) => level.Prefix ?? "");
      return {
        names: names.flatMap((name) => (name.startsWith(Prefix) ? [name.slice(Prefix.length, -1)] : [])),
        isWhole: page.IsTruncated !== true,
      };
    },
    async remove(Key) {
      await done(client.send(new DeleteObjectCommand({ Bucket, Key })));
    },
    close() {
      client.destroy();
      agent.destroy();
    },
  };

  /** The same bytes; an error of theirs is in our own words. */
  async function* told(body: Readable) {
    try {
      yield* body as AsyncIterable<Buffer>;
    } catch (error) {
      throw over ?? failureOf(error);
    }
  }
}

type Sent = { hostname: string; port?: number; protocol: string };
type Received = { statusCode: number; body: Readable };

const NOT_THERE = ["NoSuchKey", "NotFound"];
