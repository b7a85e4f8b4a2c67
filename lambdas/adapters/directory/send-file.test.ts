import { once } from "node:events";
import { type FileHandle, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { sendFile } from "./send-file.ts";

const CONTENT = Buffer.from(Uint32Array.from({ length: (4 * MiB) / 4 }, (_, i) => i).buffer);

describe("sendFile", () => {
  let directory: string;
  let file: FileHandle;
  let server: http.Server;
  const client = new http.Agent({ keepAlive: true, maxSockets: 1 });
  /** what the next request is sent */
  let part: { start: number; size: number };
  let outcome: Promise<unknown>;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "send-file-"));
    await writeFile(path.join(directory, "file"), CONTENT);
    file = await open(path.join(directory, "file"), "r");
    server = http.createServer((_request, response) => {
      response.writeHead(200, { "content-length": part.size });
      outcome = sendFile(file, part, response).catch((error: unknown) => {
        response.destroy();
        return error;
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await file.close();
    await rm(directory, { recursive: true });
  });

  const ask = async (start: number, size: number) => {
    part = { start, size };
    const { port } = server.address() as AddressInfo;
    const request = http.get({ port, host: "127.0.0.1", agent: client });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    return response;
  };

  it("sends any part, one after the other over one connection", async () => {
    const connections = new Set();
    server.on("connection", (socket) => connections.add(socket));
    const edge = fc.constantFrom(0, 256 * KiB, 768 * KiB, 2 * MiB, CONTENT.length);
    const near = fc.tuple(edge, fc.integer({ min: -2, max: 2 })).map(([at, by]) => at + by);
    const point = fc
      .oneof(near, fc.nat(CONTENT.length))
      .map((at) => Math.min(Math.max(at, 0), CONTENT.length));
    await fc.assert(
      fc.asyncProperty(point, point, async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const got = await buffer(await ask(start, end - start));
        expect(got.equals(CONTENT.subarray(start, end))).toBe(true);
        expect(await outcome).toBeUndefined();
      }),
      { numRuns: 60 },
    );
    expect(connections.size).toBe(1);
  });

  it("does not change what a slow reader has still to read", async () => {
    const response = await ask(0, CONTENT.length);
    const chunks: Buffer[] = [];
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      if (chunks.length % 8 === 0) await new Promise((turn) => setTimeout(turn, 1));
    }
    expect(Buffer.concat(chunks).equals(CONTENT)).toBe(true);
  });

  it("reads no further than a few buffers ahead of the reader", async () => {
    await writeFile(path.join(directory, "file"), "");
    // sparse: more than any socket takes
    await truncate(path.join(directory, "file"), 256 * MiB);
    let read = 0;
    const counted = {
      read: async (...args: Parameters<FileHandle["read"]>) => {
        const result = await file.read(...args);
        read += result.bytesRead;
        return result;
      },
    } as unknown as FileHandle;
    server.removeAllListeners("request");
    server.on("request", (_request, response) => {
      response.writeHead(200, { "content-length": part.size });
      outcome = sendFile(counted, part, response);
    });
    const response = await ask(0, 256 * MiB);
    response.pause();
    let before = -1;
    while (before !== read) {
      before = read;
      for (let i = 0; i < 200; i++) await new Promise((turn) => setImmediate(turn));
    }
    expect(read).toBeLessThan(64 * MiB);
    response.destroy();
    expect(await outcome).toBeUndefined();
  });

  it("returns when the client goes in the middle", async () => {
    const response = await ask(0, CONTENT.length);
    response.on("error", () => {});
    response.destroy();
    expect(await outcome).toBeUndefined();
  });

  it("throws, and does not end the answer, when the file is shorter than it was", async () => {
    await truncate(path.join(directory, "file"), 3 * MiB);
    const response = await ask(0, CONTENT.length);
    await expect(buffer(response)).rejects.toThrow("aborted");
    expect(await outcome).toMatchObject({ message: "the file is shorter than it was" });
  });
});
