import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { GroundClient } from "../ground/ground-client.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { Transfers } from "./transfers.ts";

const CONTENT = Buffer.from(Uint32Array.from({ length: (5 * MiB) / 4 }, (_, i) => i).buffer);

/** what storage saw of each PUT */
type Put = { length: string | undefined; chunked: boolean; body: Buffer };

let server: http.Server;
let ground: GroundClient;
let directory: string;
/** statuses of the next PUTs; "cut" closes the connection; then all are 200 */
let answers: (number | "cut")[];
let puts: Put[];
let asked: object[];
let abort: AbortController;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-store-"));
  [answers, puts, asked, abort] = [[], [], [], new AbortController()];
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (request.url?.startsWith("/agent/transfers")) {
      // as of version 0.2
      response.writeHead(404).end(JSON.stringify({ error: "NOT_FOUND", message: "There is no route" }));
      return;
    }
    if (request.method === "POST") {
      asked.push(...(JSON.parse(String(body)) as { put: object[] }).put);
      response.end(JSON.stringify({ get: [], put: [`/object-${asked.length}`], lengthNeeded: true }));
      return;
    }
    const { "content-length": length, "transfer-encoding": encoding } = request.headers;
    puts.push({ length, chunked: encoding === "chunked", body });
    const answer = answers.shift() ?? 200;
    if (answer === "cut") request.socket.destroy();
    else response.writeHead(answer).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  ground = new GroundClient({ url: `http://127.0.0.1:${port}`, token: "t" });
});
afterEach(async () => {
  ground.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  rmSync(directory, { recursive: true });
});

const transfers = (room = Number.POSITIVE_INFINITY) =>
  new Transfers({
    ground,
    epoch: 1,
    command: { id: "c", user: "ann" } as ClaimedCommand,
    signal: abort.signal,
    outgoing: new OutgoingStore(new DatabaseSync(":memory:"), join(directory, "outgoing")),
    spool: { directory: join(directory, "spool"), room: () => room },
  });
const stream = () => Readable.from([CONTENT.subarray(0, MiB), CONTENT.subarray(MiB)], { objectMode: false });

describe("storing a stream where the ground knows no parts", () => {
  test("tells its length", async () => {
    const stored = await transfers().store(0, stream(), CONTENT.length);
    expect(stored).toEqual({ n: 0, size: CONTENT.length });
    expect(puts).toEqual([{ length: String(CONTENT.length), chunked: false, body: CONTENT }]);
    expect(asked).toEqual([{ n: 0, maxBytes: CONTENT.length, size: CONTENT.length }]);
  });

  test("is sent again after a cut", async () => {
    answers = ["cut", 403];
    const stored = await transfers().store(0, stream(), 64 * MiB);
    expect(stored).toEqual({ n: 0, size: CONTENT.length });
    expect(puts).toHaveLength(3);
    for (const put of puts) expect(put.length).toBe(String(CONTENT.length));
    expect(puts.at(-1)!.body.equals(CONTENT)).toBe(true);
    // each time to a new URL, and with the size that is known by then
    expect(asked).toEqual(Array(3).fill({ n: 0, maxBytes: 64 * MiB, size: CONTENT.length }));
    expect(readdirSync(join(directory, "spool"))).toEqual([]);
  });

  test("that breaks before it is known where it goes fails with its own error", async () => {
    const broken = new Error("broken");
    const breaking = new Readable({ read() {} });
    const stored = transfers().store(0, breaking, 64 * MiB);
    breaking.destroy(broken);
    await expect(stored).rejects.toBe(broken);
    expect(puts).toEqual([]);
  });

  test("leaves nothing on disk when it breaks, has no room or is aborted", async () => {
    const broken = new Error("broken");
    const breaking = Readable.from(
      (async function* () {
        yield CONTENT;
        throw broken;
      })(),
      { objectMode: false },
    );
    await expect(transfers().store(0, breaking, 64 * MiB)).rejects.toBe(broken);
    await expect(transfers(MiB).store(0, stream(), 64 * MiB)).rejects.toMatchObject({ code: "STORAGE_FULL" });
    const reason = new Error("enough");
    const aborting = Readable.from(
      (async function* () {
        yield CONTENT;
        abort.abort(reason);
        yield CONTENT;
      })(),
      { objectMode: false },
    );
    await expect(transfers().store(0, aborting, 64 * MiB)).rejects.toBe(reason);
    expect(readdirSync(join(directory, "spool"))).toEqual([]);
    expect(puts).toEqual([]);
  });
});
