import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { makeTrustedCertificate } from "#test/support/trusted-certificate.ts";
import { type OpenBucketOptions, openBucket } from "./bucket.ts";

/** An S3 server that answers what a test says. */
let server: Server;
let port: number;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[];
let hosts: string[];
let distrust: () => void;
beforeAll(async () => {
  const trusted = await makeTrustedCertificate();
  distrust = trusted.distrust;
  server = createServer(trusted, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    hosts.push(String(request.headers.host));
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  asked = [];
  hosts = [];
});
afterEach(() => server.closeAllConnections());
afterAll(async () => {
  distrust();
  await new Promise((resolve) => server.close(resolve));
});

const KEYS = { accessKey: "AKIDTHEKEY", secretKey: "the secret" };
const open = (options: OpenBucketOptions = {}, host = "127.0.0.1", internal = ["127.0.0.1"]) =>
  openBucket({ host, port, bucket: "bucket", region: "us-east-1", internal }, KEYS, options);
const failing = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (error) => error,
  );
  expect(JSON.stringify([error?.message, error?.stack, { ...error }])).not.toMatch(/AKID|the secret/);
  return { kind: error?.kind, message: error?.message };
};
const fails = (status: number, code: string) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<Error><Code>${code}</Code><Message>of ${KEYS.accessKey}</Message></Error>`);
};
/** Every call there is. */
const calls = async (options: OpenBucketOptions = {}) => {
  const bucket = await open(options);
  const body = () => Readable.from([Buffer.alloc(10)]);
  return {
    bucket,
    all: [
      () => bucket.put("k", body(), 10),
      () => bucket.putSmall("k", Buffer.from("x"), {}),
      () => bucket.getSmall("k", 100),
      () => bucket.size("k"),
      () => bucket.get("k"),
      () => bucket.names("p/"),
      () => bucket.remove("k"),
    ],
  };
};

describe("a foreign bucket", () => {
  it("is asked with the bucket in the path, at the port, signed for the region", async () => {
    let authorization = "";
    answer = ({ headers }, response) => {
      authorization = String(headers.authorization);
      response.writeHead(200, { "x-amz-meta-perigee": "7", "content-length": "3" }).end("abc");
    };
    const bucket = await open();
    expect(await bucket.getSmall("a b/latest", 3)).toEqual({
      bytes: Buffer.from("abc"),
      about: { perigee: "7" },
    });
    expect(asked[0]).toMatch(/^GET \/bucket\/a%20b\/latest(\?|$)/);
    expect(authorization).toContain("AKIDTHEKEY/");
    expect(authorization).toContain("/us-east-1/s3/");
    bucket.close();
  });

  it("its name is looked up once, and what was checked is what is connected to", async () => {
    answer = (_, response) => response.writeHead(200, { "content-length": "3" }).end();
    let lookups = 0;
    const resolve = async () => [[["127.0.0.1"], ["127.0.0.2"]][lookups++]!].flat();
    const bucket = await open({ resolve }, "localhost");
    for (let n = 0; n < 3; n++) {
      expect(await bucket.size("k")).toBe(3);
      server.closeAllConnections();
    }
    expect([lookups, new Set(hosts)]).toEqual([1, new Set([`localhost:${port}`])]);
    bucket.close();
  });

  it("what the system finds for the name means nothing: only what was checked is connected to", async () => {
    answer = (_, response) => response.writeHead(200, { "content-length": "3" }).end();
    // nobody listens there; at what the system finds for localhost the server does
    const bucket = await open({ resolve: async () => ["127.0.0.2"] }, "localhost", ["127.0.0.2"]);
    expect((await failing(bucket.size("k"))).kind).toBe("failed");
    expect(asked).toEqual([]);
    bucket.close();
  });

  it("an internal address that is not listed gets no connection", async () => {
    let connections = 0;
    const count = () => connections++;
    server.on("connection", count);
    for (const [host, resolve] of [
      ["127.0.0.1", undefined],
      ["localhost", undefined],
      ["hub.example", async () => ["127.0.0.1"]],
      ["hub.example", async () => ["::ffff:127.0.0.1"]],
    ] as const) {
      const opening = open(resolve ? { resolve } : {}, host, ["10.9.9.9"]);
      expect((await failing(opening)).kind).toBe("forbidden");
    }
    server.off("connection", count);
    expect(connections).toBe(0);
  });

  it("a certificate that is not the host's is refused", async () => {
    answer = (_, response) => response.end();
    const bucket = await open({ resolve: async () => ["127.0.0.1"] }, "hub.example");
    expect((await failing(bucket.size("k"))).kind).toBe("failed");
    expect(asked).toEqual([]);
    bucket.close();
  });

  it.each([301, 302, 303, 307, 308])("a redirect (%i) is not followed", async (status) => {
    answer = (_, response) =>
      response
        .writeHead(status, {
          location: `https://localhost:${port}/elsewhere`,
          "x-amz-bucket-region": "eu-west-1",
        })
        .end("<Error><Code>PermanentRedirect</Code><Endpoint>localhost</Endpoint></Error>");
    const CALLS = 7;
    for (let n = 0; n < CALLS; n++) {
      const { bucket, all } = await calls();
      expect(await failing(all[n]!())).toEqual({ kind: "forbidden", message: "it leads elsewhere" });
      bucket.close();
    }
    expect(new Set(hosts)).toEqual(new Set([`127.0.0.1:${port}`]));
    expect(asked).toHaveLength(CALLS);
  });

  it("one that is silent is left, whatever it was asked", async () => {
    answer = () => {};
    for (let n = 0; n < 7; n++) {
      const { bucket, all } = await calls({ silenceMs: 100 });
      expect(await failing(all[n]!())).toEqual({ kind: "failed", message: "it was silent for too long" });
      bucket.close();
    }
  });

  it("one that falls silent within an object is left", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("begins");
    };
    const bucket = await open({ silenceMs: 200 });
    const reading = bucket.get("k").then((body) => buffer(body!));
    expect(await failing(reading)).toEqual({ kind: "failed", message: "it was silent for too long" });
    bucket.close();
  });

  it("one that is kept waiting is not silent", async () => {
    const size = 8 * MiB;
    answer = (_, response) => response.writeHead(200, { "content-length": size }).end(Buffer.alloc(size));
    const bucket = await open({ silenceMs: 2000 });
    const body = (await bucket.get("k"))!;
    let bytes = 0;
    for await (const piece of body) {
      if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 5000));
      bytes += (piece as Buffer).length;
    }
    expect(bytes).toBe(size);
    bucket.close();
  });

  it("one that nobody asks for a while is not silent", async () => {
    answer = (_, response) => response.writeHead(200, { "content-length": "3" }).end();
    const bucket = await open({ silenceMs: 1000 });
    expect(await bucket.size("k")).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await bucket.size("k")).toBe(3);
    bucket.close();
  });

  it("one that breaks off within an object is a failure", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("begins", () => response.destroy());
    };
    const bucket = await open();
    const body = await bucket.get("k");
    expect((await failing(buffer(body!))).kind).toBe("failed");
    expect((await failing(bucket.getSmall("k", 5000))).kind).toBe("failed");
    bucket.close();
  });

  it("one that breaks off at once is asked again, and is a failure then", async () => {
    answer = (request) => request.socket.destroy();
    const { bucket, all } = await calls();
    for (const call of all) expect((await failing(call())).kind).toBe("failed");
    expect(asked.length).toBe(all.length * 3);
    bucket.close();
  });

  it("what is too long is not read to its end", async () => {
    const endless = (status: number) => (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(status, { "content-type": "application/xml" });
      const more = () => {
        if (!response.destroyed) response.write(Buffer.alloc(64 * KiB, " "), more);
      };
      more();
    };
    answer = endless(200);
    const bucket = await open();
    const long = { kind: "failed", message: "its answer is too long" };
    expect(await failing(bucket.getSmall("k", 1000))).toEqual(long);
    expect(await failing(bucket.names("p/"))).toEqual(long);
    bucket.close();
    answer = endless(400);
    const another = await open();
    expect(await failing(another.names("p/"))).toEqual(long);
    another.close();
  });

  it.each([
    [403, "AccessDenied", "refused"],
    [403, "InvalidAccessKeyId", "refused"],
    [401, "Unauthorized", "refused"],
    [404, "NoSuchBucket", "failed"],
    [400, "AKIDTHEKEY", "failed"],
    [501, "NotImplemented", "failed"],
  ])("%i %s is %s, in our own words", async (status, code, kind) => {
    answer = fails(status, code);
    const bucket = await open();
    expect((await failing(bucket.putSmall("k", Buffer.from("x"), {}))).kind).toBe(kind);
    expect((await failing(bucket.names("p/"))).kind).toBe(kind);
    bucket.close();
  });

  it("what is not there is undefined", async () => {
    answer = fails(404, "NoSuchKey");
    const bucket = await open();
    expect([await bucket.getSmall("k", 1), await bucket.size("k"), await bucket.get("k")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    bucket.close();
  });

  it("what no S3 says is a failure", async () => {
    answer = (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>hello");
    const bucket = await open();
    expect(await bucket.names("p/").catch(({ kind }) => kind)).toSatisfy(
      (found) => found === "failed" || found.names.length === 0,
    );
    bucket.close();
  });
});
