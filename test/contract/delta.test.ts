import { randomBytes } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { readChunkList } from "#protocol/chunking/chunk-list.ts";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { type DeltaPiece, deltaTail } from "#protocol/chunking/delta.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { deltaOf, type MadeDelta, sendDelta, sha256 } from "#test/support/send-delta.ts";
import type { Answer, Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { fileOf } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

const OLD = randomBytes(300_000);
const NEW = Buffer.from("new in the middle");
const MADE = deltaOf(OLD, [[0, 200_000], NEW, [250_000, 300_000]]);
const volume = named("delta");
const BOMB = zstdCompressSync(Buffer.alloc(64 * MiB));
let client: Client;

beforeAll(async () => {
  client = await user();
  expect((await client.uplink({ f: OLD }, { pod_name: volume })).status).toBe(200);
});

const complete = (id: string) => client.request("POST", `/uplinks/${id}/complete`, { lockIsAnswer: true });
const uplink = async (made: MadeDelta, path = "f", from = client) =>
  complete(await sendDelta(from, target.url, { volume, path, ...made }));

async function baseOf(from: Client, filepath: string) {
  const asked = await from.json("/uplinks/base", { pod_name: volume, filepath });
  expect(asked.status, asked.text).toBe(202);
  return ended(from, asked);
}

async function ended(from: Client, accepted: Answer) {
  for (;;) {
    const { data } = (await from.get(accepted.header("location")!, { wait: 20 })).json;
    if (!["queued", "running"].includes(data.state)) return data;
  }
}

describe("a delta", () => {
  it("is made of the list of the file's chunks", async () => {
    const { state, result, content } = await baseOf(client, "f");
    expect({ state, result }).toMatchObject({
      state: "succeeded",
      result: { size: OLD.length, chunker: CHUNKER },
    });
    const answer = await client.get(content);
    const location = answer.header("location");
    const bytes =
      answer.status === 302 && location
        ? Buffer.from(await (await fetch(location)).arrayBuffer())
        : answer.bytes;
    for (const { offset, length, key } of readChunkList(bytes, OLD.length).chunks) {
      const hash = sha256(OLD.subarray(offset, offset + length));
      expect(Buffer.from(key, "latin1").subarray(2).toString("hex")).toBe(hash.slice(0, 16));
    }
  });

  it("has no list for a file that is not there, is a directory, or is another user's", async () => {
    expect(await baseOf(client, "none")).toMatchObject({ error: { code: "FILE_NOT_FOUND" } });
    expect(await baseOf(client, "f/g")).toMatchObject({ error: { code: "FILE_NOT_FOUND" } });
    expect(await baseOf(await other(), "f")).toMatchObject({ error: { code: "FILE_NOT_FOUND" } });
    const outside = await client.json("/uplinks/base", { pod_name: volume, filepath: "../f" });
    expectRefusal(outside, 403, "ILLEGAL_PATH");
    expectInvalid(await client.json("/uplinks/base", { pod_name: volume }), "filepath");
  });

  const wrong = (made: MadeDelta, ...pieces: DeltaPiece[]): MadeDelta => {
    return { ...made, delta: Buffer.concat([NEW, deltaTail(pieces)]) };
  };
  const size = MADE.wanted.length;
  it.each<[what: string, status: number, code: string, made: MadeDelta]>([
    [
      "of another file",
      409,
      "DELTA_BASE_CHANGED",
      deltaOf(randomBytes(300_000), [[0, 200_000], NEW, [250_000, 300_000]]),
    ],
    [
      "that reaches past the old file",
      409,
      "DELTA_BASE_CHANGED",
      wrong(MADE, { bytes: NEW.length }, { at: 299_999, bytes: size - NEW.length }),
    ],
    [
      "that packs more than it says",
      400,
      "DELTA_INVALID",
      {
        ...MADE,
        delta: Buffer.concat([BOMB, deltaTail([{ at: 0, old: 9, bytes: size, packed: BOMB.length }])]),
      },
    ],
    [
      "of a giant count",
      400,
      "DELTA_INVALID",
      wrong(
        MADE,
        { bytes: NEW.length },
        ...Array.from({ length: LIMITS.deltaPieces }, () => ({ at: 0, bytes: 1 })),
        { at: 0, bytes: size - NEW.length - LIMITS.deltaPieces },
      ),
    ],
    [
      "that makes another file than it says",
      400,
      "CHECKSUM_MISMATCH",
      { ...MADE, wanted: Buffer.concat([MADE.wanted.subarray(1), MADE.wanted.subarray(0, 1)]) },
    ],
  ])("%s changes nothing", async (_what, status, code, made) => {
    expectRefusal(await uplink(made), status, code);
    expect((await fileOf(client, volume, "f")).equals(OLD)).toBe(true);
  });

  it("never reads another user's file", async () => {
    const theirs = await other();
    const id = await sendDelta(theirs, target.url, { volume, path: "f", ...MADE });
    const answer = await theirs.request("POST", `/uplinks/${id}/complete`, { lockIsAnswer: true });
    expectRefusal(answer, 409, "DELTA_BASE_CHANGED");
  });

  it("puts the new file in the place of the old one, and answers as the file itself would", async () => {
    const total_size_kb = Math.round((size / 1024) * 100) / 100;
    const done = { message: "Successfully uplinked files", data: { file_count: 1, total_size_kb } };
    expectOk(await uplink(MADE), done);
    expect((await fileOf(client, volume, "f")).equals(MADE.wanted)).toBe(true);
  });
});
