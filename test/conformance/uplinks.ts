import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OperationHandler } from "#agent/operation.ts";
import type { Ground } from "#lambdas/ground.ts";
import { LIMITS } from "#protocol/limits.ts";
import { declaredFile as declared } from "#test/support/declared-file.ts";
import type { UserClient, World } from "#test/support/world.ts";

/** A loaded machine is slow; what is waited for comes. */
const SOON = { timeout: 90_000 };

export type UplinksWorld = Pick<World, "url" | "user" | "agent" | "close"> & { ground: Ground };
export type UplinksOptions = { quota?: number; now?: () => number };

const PART = LIMITS.partBytesLeast;
type Signed = {
  file: number;
  part: number;
  offset: number;
  size: number;
  url: string;
  headers: Record<string, string>;
};
type Opened = {
  id: string;
  state: string;
  expires_at: string;
  missing: number;
  parts: Signed[];
  edge: string;
};

/** Uplinks in parts, through ledger, staging and a real agent loop; on whatever a world stands. */
export function uplinksConformance(
  name: string,
  makeWorld: (options: UplinksOptions) => Promise<UplinksWorld>,
): void {
  describe(`uplinks in parts on ${name}`, () => {
    let world: UplinksWorld;
    let alice: UserClient;
    let bob: UserClient;
    const received = new Map<string, Buffer>();
    const start = async (options: UplinksOptions = {}) => {
      received.clear();
      world = await makeWorld(options);
      alice = await world.user("alice");
      bob = await world.user("bob");
    };
    beforeEach(() => start());
    afterEach(() => world.close());

    const receive: OperationHandler<"volume.uplink"> = async ({ input, manifest, fetch }) => {
      for (const { n, path, size } of await manifest()) {
        const chunks: Buffer[] = [];
        if (size > 0) for await (const chunk of await fetch(n)) chunks.push(chunk as Buffer);
        received.set(`${input.volume}:${path}`, Buffer.concat(chunks));
      }
      return { count: input.count, bytes: input.bytes };
    };
    const post = async <T = Opened>(
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
      who = alice,
    ) => {
      const answer = await who.fetch(path, {
        method: "POST",
        headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return {
        status: answer.status,
        headers: answer.headers,
        body: (await answer.json()) as {
          message: string;
          data: T;
          error?: string;
          missing?: unknown;
          count?: number;
        },
      };
    };
    const send = async ({ url, headers }: Signed, content: Uint8Array) => {
      const answer = await fetch(new URL(url, world.url), {
        method: "PUT",
        headers,
        body: content as RequestInit["body"],
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    const sendAll = async (parts: Signed[], contents: Buffer[]) => {
      for (const part of parts) {
        const status = await send(part, contents[part.file]!.subarray(part.offset, part.offset + part.size));
        expect(status).toBe(200);
      }
    };

    test("several files, large, small and empty, arrive whole, and staging is empty after", async () => {
      await world.agent({ "volume.uplink": receive });
      const contents = [randomBytes(2 * PART + 5), Buffer.from("small"), Buffer.alloc(0), randomBytes(PART)];
      const files = ["big.bin", "a/small", "empty", "exact"].map((name, i) => declared(name, contents[i]!));
      const opened = await post("/uplinks", { pod_name: "pod-a", dest_path: "in", part_size: PART, files });
      expect(opened.status).toBe(201);
      const { id, parts, missing } = opened.body.data;
      expect(opened.headers.get("location")).toBe(`/uplinks/${id}`);
      expect(opened.body.data).toMatchObject({
        state: "staging",
        edge: "em1",
        file_count: 4,
        part_size: PART,
      });
      expect({ count: parts.length, missing }).toEqual({ count: 5, missing: 5 });
      await sendAll(parts.toReversed(), contents);
      const done = await post(`/uplinks/${id}/complete`);
      expect(done.body).toEqual({
        message: "Successfully uplinked files",
        data: { file_count: 4, total_size_kb: Math.round(((3 * PART + 10) / 1024) * 100) / 100 },
      });
      expect(done.status).toBe(200);
      for (const [i, path] of ["in/big.bin", "in/a/small", "in/empty", "in/exact"].entries()) {
        expect(received.get(`pod-a:${path}`)?.equals(contents[i]!)).toBe(true);
      }
      await expect.poll(() => world.ground.staging.list("uplink/"), SOON).toEqual([]);
      const again = await post(`/uplinks/${id}/complete`);
      expect({ status: again.status, body: again.body }).toEqual({ status: 200, body: done.body });
      expect(await (await alice.fetch("/commands")).json()).toMatchObject({
        data: [{ command_id: id, operation: "volume.uplink", state: "succeeded", attempts: 1 }],
      });
    });

    test("after a cut only what had not arrived is asked for again", async () => {
      await world.agent({ "volume.uplink": receive });
      const content = randomBytes(4 * PART);
      const { id, parts } = (await post("/uplinks", { part_size: PART, files: [declared("f", content)] }))
        .body.data;
      await sendAll([parts[2]!, parts[0]!], [content]);
      const early = await post(`/uplinks/${id}/complete`);
      expect(early.status).toBe(409);
      expect(early.body).toMatchObject({ error: "UPLINK_INCOMPLETE", count: 2 });
      expect(early.body.missing).toEqual([
        { file: 0, part: 2 },
        { file: 0, part: 4 },
      ]);
      expect(await (await alice.fetch(`/uplinks/${id}`)).json()).toMatchObject({
        data: {
          state: "staging",
          missing: 2,
          missing_bytes: 2 * PART,
          missing_files: [{ file: 0, parts: [2, 4] }],
        },
      });
      const named = await post<{ parts: Signed[]; arrived: unknown }>(`/uplinks/${id}/parts`, {
        parts: [
          { file: 0, part: 1 },
          { file: 0, part: 2 },
        ],
      });
      expect(named.body.data.arrived).toEqual([{ file: 0, part: 1 }]);
      expect(named.body.data.parts).toMatchObject([{ file: 0, part: 2, offset: PART, size: PART }]);
      const rest = (await post(`/uplinks/${id}/parts`)).body.data;
      expect(rest.parts.map(({ part }) => part)).toEqual([2, 4]);
      await sendAll(rest.parts, [content]);
      expect((await post(`/uplinks/${id}/complete`)).status).toBe(200);
      expect(received.get("default:f")?.equals(content)).toBe(true);
    });

    test("a part of another size or content is refused, and the upload goes on", async () => {
      const content = randomBytes(PART + 9);
      const { id, parts } = (await post("/uplinks", { part_size: PART, files: [declared("f", content)] }))
        .body.data;
      for (const wrong of [Buffer.alloc(9), Buffer.alloc(8), Buffer.alloc(10)]) {
        const status = await send(parts[1]!, wrong);
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
      }
      expect((await post(`/uplinks/${id}/parts`)).body.data.missing).toBe(2);
      await sendAll(parts, [content]);
      expect((await post(`/uplinks/${id}/parts`)).body.data.missing).toBe(0);
    });

    test("neither a busy edge nor one out of contact stands in its way: complete queues", async () => {
      const content = Buffer.from("queued");
      const { id, parts } = (await post("/uplinks", { files: [declared("f", content)] })).body.data;
      await sendAll(parts, [content]);
      const queued = await post(`/uplinks/${id}/complete`, undefined, { prefer: "respond-async" });
      expect(queued.status).toBe(202);
      expect(queued.headers.get("location")).toBe(`/commands/${id}`);
      expect(queued.headers.get("preference-applied")).toBe("respond-async");
      expect(queued.body.data).toMatchObject({ command_id: id, state: "queued", position: 1 });
      // without contact the contract's own answer is 202 too
      expect((await post(`/uplinks/${id}/complete`)).status).toBe(202);
      const gone = await post(`/uplinks/${id}/parts`, { parts: [{ file: 0, part: 1 }] });
      expect(gone.body.error).toBe("INVALID_PARAMETERS");
      expect((await post(`/uplinks/${id}/parts`)).body.data).toMatchObject({ state: "queued", parts: [] });
      await world.agent({ "volume.uplink": receive });
      expect((await post(`/uplinks/${id}/complete`, undefined, { prefer: "wait=60" })).status).toBe(200);
      expect(String(received.get("default:f"))).toBe("queued");
    });

    test("many completes at once make one command", async () => {
      const runs: string[] = [];
      await world.agent({
        "volume.uplink": async (context) => {
          runs.push(context.command.id);
          return receive(context);
        },
      });
      const content = randomBytes(PART + 1);
      const { id, parts } = (await post("/uplinks", { part_size: PART, files: [declared("f", content)] }))
        .body.data;
      await sendAll(parts, [content]);
      const all = await Promise.all(Array.from({ length: 8 }, () => post(`/uplinks/${id}/complete`)));
      expect(all.map(({ status }) => status)).toEqual(Array(8).fill(200));
      expect(runs).toEqual([id]);
      expect(received.get("default:f")?.equals(content)).toBe(true);
    });

    test("it is its user's own, and every id that is none is 404", async () => {
      const { id, parts } = (await post("/uplinks", { files: [declared("f", Buffer.from("x"))] })).body.data;
      await sendAll(parts, [Buffer.from("x")]);
      const { command_id } = (
        (await (await alice.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } })).json()) as {
          data: { command_id: string };
        }
      ).data;
      for (const [who, other] of [
        [bob, id],
        [alice, command_id],
        [alice, "nothing"],
        [alice, "0".repeat(26)],
        [alice, "%00"],
      ] as const) {
        expect((await who.fetch(`/uplinks/${other}`)).status).toBe(404);
        for (const verb of ["parts", "complete"]) {
          const { status, body } = await post(`/uplinks/${other}/${verb}`, undefined, {}, who);
          expect({ status, error: body.error }).toEqual({ status: 404, error: "UPLINK_NOT_FOUND" });
        }
      }
      expect((await bob.fetch(`/commands/${id}/cancel`, { method: "POST" })).status).toBe(404);
      expect((await fetch(`${world.url}/uplinks`, { method: "POST" })).status).toBe(401);
      expect((await alice.fetch("/uplinks")).status).toBe(405);
    });

    test("cancelled, it takes nothing more and leaves nothing", async () => {
      const content = randomBytes(PART + 1);
      const { id, parts } = (await post("/uplinks", { part_size: PART, files: [declared("f", content)] }))
        .body.data;
      await sendAll([parts[0]!], [content]);
      expect((await post(`/commands/${id}/cancel`)).status).toBe(200);
      expect(await send(parts[1]!, content.subarray(PART))).toBe(404);
      const { status, body } = await post(`/uplinks/${id}/complete`);
      expect({ status, error: body.error }).toEqual({ status: 409, error: "CANCELLED" });
      expect((await post(`/uplinks/${id}/parts`)).body.data).toMatchObject({ state: "cancelled", parts: [] });
      expect(await world.ground.staging.list("uplink/")).toEqual([]);
      expect((await world.ground.ledger.lane("em1")).reserved).toEqual([]);
    });

    test("an Idempotency-Key opens one upload, and finds what has arrived of it", async () => {
      const content = randomBytes(PART + 1);
      const body = { part_size: PART, files: [declared("f", content)] };
      const first = (await post("/uplinks", body, { "idempotency-key": "k" })).body.data;
      await sendAll([first.parts[0]!], [content]);
      const again = (await post("/uplinks", body, { "idempotency-key": "k" })).body.data;
      expect(again).toMatchObject({ id: first.id, missing: 1, parts: [{ part: 2 }] });
      const other = { ...body, dest_path: "x" };
      expect((await post("/uplinks", other, { "idempotency-key": "k" })).status).toBe(422);
    });

    test("calls with one Idempotency-Key at once begin one upload, and all have its URLs", async () => {
      const begin = vi.spyOn(world.ground.staging.parts, "begin");
      const content = randomBytes(PART + 1);
      const body = { part_size: PART, files: [declared("f", content)] };
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => post("/uplinks", body, { "idempotency-key": "k" })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
      expect(new Set(answers.map(({ body }) => body.data.id)).size).toBe(1);
      expect(begin).toHaveBeenCalledTimes(1);
      // parts by the URLs of any of them make the file
      const parts = [answers[0]!.body.data.parts[0]!, answers[9]!.body.data.parts[1]!];
      await sendAll(parts, [content]);
      const id = answers[0]!.body.data.id;
      const shown = (await (await alice.fetch(`/uplinks/${id}`)).json()) as { data: Opened };
      expect(shown.data.missing).toBe(0);
    });

    test("a plan that could not be kept is refused before anything is reserved", async () => {
      const files = Array.from({ length: 10_000 }, (_, i) => declared(`f${i}`, ""));
      const dest_path = Array.from({ length: 4 }, () => "d".repeat(230)).join("/");
      const { status, body } = await post("/uplinks", { dest_path, files });
      expect([status, body.error]).toEqual([413, "BODY_TOO_LARGE"]);
      expect((await world.ground.ledger.lane("em1")).reserved).toEqual([]);
      expect((await post("/uplinks", { dest_path, files: files.slice(0, 1000) })).status).toBe(201);
    });

    test("reservations are bounded: places and bytes of the quota, by what was declared", async () => {
      await world.close();
      await start({ quota: 1_000_000 });
      const open = async (size: number) => {
        const { status, body } = await post("/uplinks", {
          files: [declared(`f${size}`, Buffer.alloc(size))],
        });
        return { status, error: body.error };
      };
      const refused = { status: 507, error: "QUOTA_EXCEEDED" };
      expect(await open(1_000_001)).toEqual(refused);
      expect((await open(600_000)).status).toBe(201);
      expect(await open(400_001)).toEqual(refused);
      expect((await open(300_000)).status).toBe(201);
      const body = { a: "x".repeat(150_000) };
      expect((await alice.uplink(body, {}, { prefer: "respond-async" })).status).toBe(507);
      for (let i = 0; i < 18; i++) expect((await open(1)).status).toBe(201);
      expect(await open(1)).toEqual({ status: 429, error: "QUEUE_FULL" });
    });

    test("what has arrived of a reservation is not counted twice", async () => {
      await world.close();
      await start({ quota: 1_000_000 });
      const content = Buffer.alloc(600_000, 1);
      const { parts } = (await post("/uplinks", { files: [declared("f", content)] })).body.data;
      await sendAll(parts, [content]);
      expect((await post("/uplinks", { files: [declared("g", Buffer.alloc(300_000))] })).status).toBe(201);
    });

    describe("abandoned", () => {
      let now: number;
      const H = 3600_000;
      beforeEach(async () => {
        await world.close();
        now = Date.now();
        await start({ now: () => now });
      });
      const state = async (id: string) => (await world.ground.ledger.command("alice", id)).state;

      test("it is swept two hours after it was last heard of, with all its parts", async () => {
        const content = randomBytes(PART + 1);
        const { id, parts } = (await post("/uplinks", { part_size: PART, files: [declared("f", content)] }))
          .body.data;
        await sendAll([parts[0]!], [content]);
        // a restart of the ground ends what came in over a connection, but not this
        await world.ground.janitor.round(0);
        now += 2 * H - 60_000;
        await world.ground.janitor.round();
        expect(await state(id)).toBe("staging");
        await world.ground.ledger.extend(await world.ground.ledger.command("alice", id));
        now += 2 * H - 60_000;
        await world.ground.janitor.round();
        expect(await state(id)).toBe("staging");
        now += 60_000;
        await world.ground.janitor.round();
        expect(await state(id)).toBe("expired");
        expect(await world.ground.staging.list("uplink/")).toEqual([]);
        expect((await world.ground.ledger.lane("em1")).reserved).toEqual([]);
      });

      test("asking for URLs is being heard of", async () => {
        const { id, expires_at } = (await post("/uplinks", { files: [declared("f", Buffer.from("x"))] })).body
          .data;
        const before = Date.parse(expires_at);
        now += 12 * 60_000;
        const after = Date.parse((await post(`/uplinks/${id}/parts`)).body.data.expires_at);
        expect(after - before).toBe(12 * 60_000);
        const shown = (await (await alice.fetch(`/uplinks/${id}`)).json()) as { data: Opened };
        expect(Date.parse(shown.data.expires_at)).toBe(after);
      });

      test("completing it then is 503 EXPIRED", async () => {
        const { id } = (await post("/uplinks", { files: [declared("f", Buffer.from("x"))] })).body.data;
        await world.ground.ledger.endUnclaimed({ edge: "em1", lane: "em", user: "alice", id }, "expired");
        const { status, body } = await post(`/uplinks/${id}/complete`);
        expect({ status, error: body.error }).toEqual({ status: 503, error: "EXPIRED" });
      });

      test("a day is the end, however busy it is", async () => {
        const files = [declared("f", Buffer.from("x"))];
        const { id } = (await post("/uplinks", { files })).body.data;
        for (let hours = 1; hours < 24; hours++) {
          now += H;
          // by now the log-in is over: the ledger is asked directly
          await world.ground.ledger.extend(await world.ground.ledger.command("alice", id));
          await world.ground.janitor.round();
          expect(await state(id)).toBe("staging");
        }
        now += H;
        await world.ground.janitor.round();
        expect(await state(id)).toBe("expired");
      });
    });
  });
}
