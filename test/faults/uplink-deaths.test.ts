import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import type { Answer } from "#test/contract/support/client.ts";
import { declaredFile } from "#test/support/declared-file.ts";
import { deltaOf, sendDelta } from "#test/support/send-delta.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { killedAt as agentKilledAt, expectOne, newest } from "./support/killed-at.ts";

/** A loaded machine is slow; what is waited for comes. */
const SOON = { timeout: 90_000 };

const PART = LIMITS.partBytesLeast;
const CONTENT = randomBytes(2 * PART + 77);
const KB = Math.round(((2 * PART + 77 + 5) / 1024) * 100) / 100;
const DONE = { message: "Successfully uplinked files", data: { file_count: 2, total_size_kb: KB } };

let deployment: Deployment;
let lane: Lane;
let count = 0;

beforeAll(async () => {
  deployment = await deploy(1);
  lane = deployment.lanes[0]!;
});
afterAll(() => deployment.close());

type Signed = { file: number; part: number; offset: number; size: number; url: string };
type Opened = { id: string; parts: Signed[]; missing: number };

const contents = [CONTENT, Buffer.from("small")];
const request = (volume: string) => ({
  pod_name: volume,
  part_size: PART,
  files: ["big", "d/small"].map((path, i) => declaredFile(path, contents[i]!)),
});

async function open(volume: string, headers: Record<string, string> = {}): Promise<Opened> {
  const answer = await lane.client.json("/uplinks", request(volume), { headers });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 201 });
  return answer.json.data;
}

async function put({ url, file, offset, size }: Signed): Promise<number> {
  const body = contents[file]!.subarray(offset, offset + size) as Exclude<
    RequestInit["body"],
    null | undefined
  >;
  const answer = await fetch(deployment.url + url, { method: "PUT", body });
  await answer.arrayBuffer();
  return answer.status;
}

async function sendAll(parts: Signed[]): Promise<void> {
  for (const part of parts) expect(await put(part)).toBe(200);
}

const complete = (id: string) => lane.client.request("POST", `/uplinks/${id}/complete`);
const missing = async (id: string): Promise<Opened> =>
  (await lane.client.request("POST", `/uplinks/${id}/parts`)).json.data;

function expectArrived(volume: string): void {
  expect(readFileSync(join(lane.volume(volume), "big")).equals(CONTENT)).toBe(true);
  expect(readFileSync(join(lane.volume(volume), "d/small"), "utf8")).toBe("small");
}

/** Has the ground die at `point` of what `call` asks for, and starts it again. */
async function groundKilledAt(point: string, call: () => Promise<Answer>): Promise<void> {
  deployment.ground.arm(point);
  const answer = Promise.allSettled([call()]);
  await deployment.ground.death(point);
  await deployment.ground.start();
  expect((await answer)[0]).toMatchObject({ status: "rejected" });
}

describe("an uplink in parts, when the ground dies and is started again", () => {
  test.each(["uploads.reserved", "uploads.begun"])(
    "killed at %s while it is opened: the same key opens it, once",
    async (point) => {
      const volume = `v${++count}`;
      const headers = { "idempotency-key": point };
      await groundKilledAt(point, () => lane.client.json("/uplinks", request(volume), { headers }));
      const before = await newest(lane);
      const opened = await open(volume, headers);
      expect(opened.id).toBe(before);
      expect(opened.missing).toBe(4);
      await sendAll(opened.parts);
      expect((await complete(opened.id)).json).toEqual(DONE);
      expectArrived(volume);
      await expect.poll(() => deployment.staged(), SOON).toEqual([]);
    },
  );

  test("killed in the middle of a part: what had arrived is there, and only that part is missing", async () => {
    const volume = `v${++count}`;
    const { id, parts } = await open(volume);
    const [first, cut, ...rest] = parts as [Signed, Signed, ...Signed[]];
    await sendAll([first, ...rest]);
    const stuck = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(CONTENT.subarray(cut.offset, cut.offset + PART / 2)),
    });
    const init = { method: "PUT", body: stuck, duplex: "half" } as RequestInit;
    const sending = fetch(deployment.url + cut.url, init);
    sending.catch(() => undefined);
    await expect.poll(() => writtenOf(volume, id), SOON).toBe(true);
    await deployment.ground.kill();
    await deployment.ground.start();
    await expect(sending).rejects.toThrow();
    const left = await missing(id);
    expect(left.parts).toMatchObject([{ file: cut.file, part: cut.part }]);
    await sendAll(left.parts);
    expect((await complete(id)).json).toEqual(DONE);
    expectArrived(volume);
  });

  test.each(["uploads.assembled", "dispatch.staged", "dispatch.queued", "agent.reported"])(
    "killed at %s after it was completed: completing it again gives its answer, and it is done once",
    async (point) => {
      const volume = `v${++count}`;
      const before = await newest(lane);
      const { id, parts } = await open(volume);
      await sendAll(parts);
      await groundKilledAt(point, () => complete(id));
      expect((await complete(id)).json).toEqual(DONE);
      expectArrived(volume);
      await expectOne(lane, "volume.uplink", before);
      await deployment.ground.kill();
      await deployment.ground.start();
      expect(deployment.staged()).toEqual([]);
    },
  );

  /** Has something of the part that is under way been written over the zeros of its place? */
  function writtenOf(volume: string, id: string): boolean {
    const level = join(deployment.data, "staging/objects/uplink", lane.user, volume, id);
    const upload = readdirSync(level).find((name) => name.startsWith("0+"));
    return (
      upload !== undefined && readFileSync(join(level, upload, "data"))[PART + 1000] === CONTENT[PART + 1000]
    );
  }
});

describe("an uplink in parts, when the agent dies and is started again", () => {
  test.each([
    "loop.claimed",
    "uplink.received",
    "journal.after.commit",
    "uplink.renamed",
    "loop.before.report",
  ])("killed at %s: all its files arrive, once", async (point) => {
    const volume = `v${++count}`;
    const before = await newest(lane);
    const { id, parts } = await open(volume);
    await sendAll(parts);
    const answer = await agentKilledAt(lane, point, () => complete(id));
    expect(answer.json).toEqual(DONE);
    expectArrived(volume);
    await expectOne(lane, "volume.uplink", before);
  });
});

describe("an uplink of what changed, when the agent dies and is started again", () => {
  const made = deltaOf(CONTENT, [[0, PART], Buffer.from("new"), [PART + 9, CONTENT.length]]);

  test.each([
    ["uplink.planned", CONTENT],
    ["uplink.rebuilt", CONTENT],
    ["journal.after.commit", CONTENT],
    ["uplink.renamed", made.wanted],
  ])("killed at %s: the file is the old or the new one, and then the new one", async (point, meanwhile) => {
    const volume = `v${++count}`;
    const file = join(lane.volume(volume), "big");
    mkdirSync(lane.volume(volume), { recursive: true });
    writeFileSync(file, CONTENT);
    const before = await newest(lane);
    const id = await sendDelta(lane.client, deployment.url, { volume, path: "big", ...made });
    const answer = await agentKilledAt(
      lane,
      point,
      () => complete(id),
      () => expect(readFileSync(file).equals(meanwhile)).toBe(true),
    );
    expect(answer).toMatchObject({ status: 200 });
    expect(readFileSync(file).equals(made.wanted)).toBe(true);
    await expectOne(lane, "volume.patch", before);
    expect(readdirSync(join(lane.agentData, "volumes/.incoming"))).toEqual([]);
  });
});
