import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import { GroundClient } from "../ground/ground-client.ts";
import { AheadStore } from "../transfers/ahead-store.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { Transfers } from "./transfers.ts";

const BIG = Buffer.from(Uint32Array.from({ length: (3 * MiB) / 4 }, (_, i) => i).buffer);
const CONTENTS = [BIG, Buffer.from("small")];
const MANIFEST = CONTENTS.map((content, n) => ({
  n,
  path: `f${n}`,
  size: content.length,
  xxh64: "0".repeat(16),
}));

type Answer = (request: IncomingMessage, response: ServerResponse, start: number) => void;

let server: http.Server;
let ground: GroundClient;
let abort: AbortController;
let transfers: Transfers;
/** nothing is sent up here */
const outgoing = new OutgoingStore(new DatabaseSync(":memory:"), "/nowhere");
/** `n@start` of every GET of a file, and `urls` */
let asked: string[];
/** answers of the next GETs; then the files are sent as they are */
let answers: Answer[];

const whole: Answer = ({ url = "" }, response, start) => {
  const content = CONTENTS[Number(url.at(1))]!;
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": content.length - start,
    ...(start > 0 && { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` }),
  });
  response.end(content.subarray(start));
};
const status =
  (code: number): Answer =>
  (_request, response) =>
    void response.writeHead(code).end("no");

beforeEach(async () => {
  asked = [];
  answers = [];
  server = http.createServer(async (request, response) => {
    if (request.method === "POST") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { get } = JSON.parse(String(Buffer.concat(chunks))) as { get: (number | "manifest")[] };
      asked.push("urls");
      response.end(JSON.stringify({ get: get.map((n) => `/${n}?${asked.length}`), put: [] }));
    } else if (request.url?.startsWith("/manifest")) response.end(JSON.stringify(MANIFEST));
    else {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      asked.push(`${request.url?.at(1)}@${start}`);
      (answers.shift() ?? whole)(request, response, start);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  ground = new GroundClient({ url: `http://127.0.0.1:${port}`, token: "t" });
  abort = new AbortController();
  transfers = transfersOf({});
  await transfers.manifest();
  asked = [];
});
const transfersOf = (command: Partial<ClaimedCommand>, claimedAt?: number, ahead?: AheadStore) =>
  new Transfers({
    ground,
    epoch: 1,
    command: { id: "c", user: "ann", hasFiles: true, ...command } as ClaimedCommand,
    ...(claimedAt !== undefined && { claimedAt }),
    signal: abort.signal,
    outgoing,
    ...(ahead && { ahead }),
  });
afterEach(async () => {
  ground.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function into(n: number, start = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await transfers.fetchInto(n, start, async (given) => {
    chunks.push(...given.map((chunk) => Buffer.from(chunk)));
  });
  return Buffer.concat(chunks);
}

describe("a manifest whose URL came with the command", () => {
  const manifest = "/manifest";
  const OLD_MS = 11 * 60_000;

  it("is read without asking for one", async () => {
    expect(await transfersOf({ manifest }, performance.now()).manifest()).toEqual(MANIFEST);
    expect(asked).toEqual([]);
  });

  it("is asked for where the URL may be too old, or nobody knows how old it is", async () => {
    for (const claimedAt of [performance.now() - OLD_MS, undefined]) {
      asked = [];
      expect(await transfersOf({ manifest }, claimedAt).manifest()).toEqual(MANIFEST);
      expect(asked).toEqual(["urls"]);
    }
  });

  it("is asked for where the URL is refused", async () => {
    const of = transfersOf({ manifest: "/0?refused" }, performance.now());
    answers = [status(403)];
    expect(await of.manifest()).toEqual(MANIFEST);
    expect(asked).toEqual(["0@0", "urls"]);
  });
});

describe("Transfers.fetch", () => {
  it("pauses before it asks again for what broke before its first byte, and not after it", async () => {
    const cut: Answer = (_request, response, start) => {
      response.writeHead(start > 0 ? 206 : 200, { "content-length": 5 - start });
      response.write("small".slice(start, start + 1), () => response.destroy());
    };
    const bare: Answer = (_request, response, start) => {
      response.writeHead(start > 0 ? 206 : 200, { "content-length": 5 - start });
      response.flushHeaders();
      setImmediate(() => response.destroy());
    };
    const wait = vi.spyOn(Backoff.prototype, "wait").mockResolvedValue();
    try {
      answers = [cut, bare, bare, cut];
      const chunks: Buffer[] = [];
      for await (const chunk of await transfers.fetch(1)) chunks.push(chunk);
      expect(String(Buffer.concat(chunks))).toBe("small");
      expect(asked.filter((what) => what !== "urls")).toEqual(["1@0", "1@1", "1@1", "1@1", "1@2"]);
      expect(wait).toHaveBeenCalledTimes(2);
    } finally {
      wait.mockRestore();
    }
  });
});

describe("Transfers.fetchInto", () => {
  it("gives big files and small ones whole, and from a byte on", async () => {
    expect((await into(0)).equals(BIG)).toBe(true);
    expect((await into(0, 1000)).equals(BIG.subarray(1000))).toBe(true);
    expect((await into(0, BIG.length - 4)).equals(BIG.subarray(-4))).toBe(true);
    expect(String(await into(1))).toBe("small");
    expect(String(await into(1, 2))).toBe("all");
    expect(asked.filter((what) => what !== "urls")).toEqual([
      "0@0",
      "0@1000",
      `0@${BIG.length - 4}`,
      "1@0",
      "1@2",
    ]);
  });

  it("goes on where a connection broke, wherever and however often, with a new URL", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: BIG.length - 1 }), { minLength: 1, maxLength: 4 }),
        async (cuts) => {
          asked = [];
          const ends = [...new Set(cuts)].sort((a, b) => a - b);
          answers = ends.map((end) => (_request, response, start) => {
            response.writeHead(start > 0 ? 206 : 200, {
              "content-length": BIG.length - start,
              ...(start > 0 && { "content-range": `bytes ${start}-${BIG.length - 1}/${BIG.length}` }),
            });
            // an orderly end before the body's: all that was sent arrives
            response.write(BIG.subarray(start, end), () => response.socket?.end());
          });
          expect((await into(0)).equals(BIG)).toBe(true);
          expect(asked.filter((what) => what !== "urls")).toEqual([0, ...ends].map((at) => `0@${at}`));
          expect(asked.filter((what) => what === "urls").length).toBeGreaterThanOrEqual(ends.length);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("asks for a new URL when one is refused, and again while the ground cannot", async () => {
    answers = [status(403), status(403), status(503), status(503)];
    expect((await into(0)).equals(BIG)).toBe(true);
    // the refused one is asked for twice: the full client knows what a refusal means, and goes on from there
    const again = ["urls", "0@0"];
    expect(asked).toEqual(["urls", "0@0", "0@0", ...again, ...again, ...again]);
  });

  it("lets the full client read what is not plain, such as chunks of a proxy", async () => {
    const chunked: Answer = (_request, response) => void response.end(BIG);
    const coded: Answer = (_request, response) => {
      response.writeHead(200, { "transfer-encoding": "chunked" });
      response.write(BIG.subarray(0, 10));
      response.end(BIG.subarray(10));
    };
    answers = [coded, coded];
    expect((await into(0)).equals(BIG)).toBe(true);
    expect(asked).toEqual(["urls", "0@0", "0@0"]);
    answers = [chunked];
    expect((await into(0)).equals(BIG)).toBe(true);
  });

  it("ends when the object is missing", async () => {
    answers = [status(404), status(404)];
    await expect(into(0)).rejects.toMatchObject({ code: "INTERNAL_ERROR" });
  });

  it.each([0, 1])("ends with what writing throws, and asks no more (file %i)", async (n) => {
    const full = new Error("ENOSPC");
    const failing = transfers.fetchInto(n, 0, async () => {
      throw full;
    });
    await expect(failing).rejects.toBe(full);
    expect(asked).toEqual(["urls", `${n}@0`]);
  });

  it("stops with the signal's reason, in the middle and in a pause between attempts", async () => {
    const reason = new Error("cancelled");
    const middle = transfers.fetchInto(0, 0, async () => abort.abort(reason));
    await expect(middle).rejects.toBe(reason);

    abort = new AbortController();
    const command = { id: "c", user: "ann", hasFiles: true } as ClaimedCommand;
    transfers = new Transfers({ ground, epoch: 1, command, signal: abort.signal, outgoing });
    await transfers.manifest();
    answers = Array.from({ length: 100 }, () => (_request, response) => {
      response.writeHead(503).end();
      setImmediate(() => abort.abort(reason));
    });
    await expect(into(0)).rejects.toBe(reason);
  });
});

describe("over a thin link", () => {
  beforeEach(() => ground.link.sent(256 * KiB, 100_000));
  const rangeOf = (request: IncomingMessage): [start: number, end: number] => {
    const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")!;
    return [Number(start), Number(last) + 1];
  };
  let accepted: unknown[] = [];
  const compressed: Answer = (request, response) => {
    accepted.push(request.headers["perigee-accept-encoding"]);
    const body = zstdCompressSync(BIG.subarray(...rangeOf(request)));
    response.writeHead(206, { "perigee-encoding": "zstd", "content-length": body.length }).end(body);
  };
  const plain: Answer = (request, response) => {
    response.writeHead(206).end(BIG.subarray(...rangeOf(request)));
  };
  /** Half of the answer, and the connection ends. */
  const cut =
    (answer: Answer): Answer =>
    (request, response, start) => {
      response.end = ((body: Buffer) => {
        response.write(body.subarray(0, body.length >> 1), () => response.destroy());
        return response;
      }) as typeof response.end;
      answer(request, response, start);
    };

  it("takes ranges compressed and as they are, cut or not, and asks for URLs once", async () => {
    accepted = [];
    const mixed = Array.from({ length: 300 }, (_, i) => {
      const answer = i % 3 === 1 ? plain : compressed;
      return i < 40 && i % 5 === 0 ? cut(answer) : answer;
    });
    answers = [...mixed];
    expect((await into(0)).equals(BIG)).toBe(true);
    expect(new Set(accepted)).toEqual(new Set(["zstd"]));
    // one for all that begin together; and one at most for each that was cut
    expect(asked.slice(1, 9)).not.toContain("urls");
  });

  describe("of an agent that dies", () => {
    const RANGE = 32 * KiB;
    let directory: string;
    let ahead: AheadStore;
    /** of all lives */
    let served: number;
    let written: Buffer;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "ahead-"));
      ahead = new AheadStore({ directory, room: () => Number.POSITIVE_INFINITY });
      served = 0;
      written = Buffer.alloc(0);
    });
    afterEach(() => rmSync(directory, { recursive: true, force: true }));

    /** Bytes behind those that are written that the next life need not fetch. */
    async function kept(): Promise<number> {
      const of = await ahead.open("c", 0, { size: BIG.length, ahead: 48 * RANGE });
      let fetched = 0;
      const none = async function* (start: number, end: number) {
        fetched += end - start;
        yield Buffer.alloc(end - start);
      };
      for await (const _ of of!.read(written.length, BIG.length, none));
      return BIG.length - written.length - fetched;
    }

    /** A life in which the range at `gap` does not come, and that ends when so much behind it is kept. @returns how */
    async function life(answer: Answer, gap: number, keeps: number): Promise<string> {
      abort = new AbortController();
      const dying = abort.signal;
      transfers = transfersOf({}, undefined, ahead);
      await transfers.manifest();
      answers = Array.from(
        { length: 200 },
        (): Answer => (request, response, start) => {
          const [from, end] = rangeOf(request);
          if (dying.aborted || (from <= gap && gap < end)) return;
          served += end - from;
          answer(request, response, start);
        },
      );
      const write = async (given: readonly Buffer[]) => {
        written = Buffer.concat([written, ...given]);
      };
      const fetching = transfers.fetchInto(0, written.length, write).then(
        () => "whole",
        () => "cut",
      );
      const far = async () => {
        expect(written.length).toBe(gap);
        const there = await kept();
        expect(there).toBeGreaterThanOrEqual(keeps);
        // nothing is on its way
        expect(written.length + there).toBe(served);
      };
      if (gap === BIG.length) return fetching;
      await vi.waitFor(far, { timeout: 60_000 });
      abort.abort(new Error("dies"));
      return fetching;
    }

    it("nothing is fetched again that had arrived behind a gap, in whichever life", async () => {
      expect(await life(compressed, 2 * RANGE, 47 * RANGE)).toBe("cut");
      expect(await life(plain, 52 * RANGE, 30 * RANGE)).toBe("cut");
      expect(await life(plain, BIG.length, 0)).toBe("whole");
      expect(written.equals(BIG)).toBe(true);
      expect(served).toBe(BIG.length);
      expect(readdirSync(join(directory, "c"))).toEqual([]);
    });

    it("what is kept of content that came out wrong is not used", async () => {
      expect(await life(plain, 2 * RANGE, 47 * RANGE)).toBe("cut");
      abort = new AbortController();
      transfers = transfersOf({}, undefined, ahead);
      await transfers.manifest();
      served = 0;
      answers = Array.from(
        { length: 300 },
        (): Answer => (request, response, start) => {
          const [from, end] = rangeOf(request);
          served += end - from;
          plain(request, response, start);
        },
      );
      const wrong = transfers.fetchInto(0, 2 * RANGE, async () => {
        throw new Error("wrong");
      });
      await expect(wrong).rejects.toThrow("wrong");
      served = 0;
      expect((await into(0)).equals(BIG)).toBe(true);
      expect(served).toBe(BIG.length);
    });
  });
});
