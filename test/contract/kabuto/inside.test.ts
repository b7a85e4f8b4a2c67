import { expect, test } from "vitest";
import { image, me } from "./support/session.ts";
import { ended, job, pipeline } from "./support/work.ts";

/** What a job finds around itself: section 6, container and isolation. */
const image_id = String(image);

async function linesOf(id: number): Promise<string[]> {
  const rows = (await me.get(`/execution/${id}/logs`)) as { logline: string }[];
  return rows.map(({ logline }) => logline);
}

/** One shell command a job, in one pipeline. @returns its lines */
async function say(commands: readonly string[], files = {}): Promise<string[][]> {
  const of = await pipeline(me);
  const ids: number[] = [];
  for (const command of commands) ids.push(await job(me, of, { image_id, command: `${command};` }, files));
  await me.post(`${of}/submit`);
  const lines: string[][] = [];
  for (const id of ids) {
    expect(await ended(me, of, id)).toMatchObject({ state: "done", response: 0 });
    lines.push(await linesOf(id));
  }
  return lines;
}

test("a job stands in /, with its files in /inbox that it cannot change, and an /outbox that it can", async () => {
  const [where, inbox, outbox, empty] = await say(
    [
      "pwd; ls -d /data 2>/dev/null || echo none",
      "cat /inbox/a; touch /inbox/b 2>/dev/null || echo read-only; rm /inbox/a 2>/dev/null || echo kept",
      "ls -A /outbox; touch /outbox/x; ls -A /outbox; stat -c %a /outbox",
      "ls -A /outbox",
    ],
    { a: "one\n" },
  );
  expect(where).toEqual(["/", "none"]);
  expect(inbox).toEqual(["one", "read-only", "kept"]);
  expect(outbox!.slice(0, 1)).toEqual(["x"]);
  // any user id may write there
  expect(outbox![1]).toMatch(/7$/);
  expect(empty).toEqual([]);
});

test("without files /inbox is there and empty", async () => {
  expect(await say(["ls -A /inbox && echo there"])).toEqual([["there"]]);
});

test("a second run finds /outbox empty, and its zip is its own", async () => {
  const of = await pipeline(me);
  const command = "ls -A /outbox; echo mine > /outbox/$(cat /proc/sys/kernel/random/uuid);";
  const id = await job(me, of, { image_id, command });
  const zips: Buffer[] = [];
  for (let run = 1; run <= 2; run++) {
    await me.post(`${of}/submit`);
    expect(await ended(me, of, id)).toMatchObject({ run, state: "done", response: 0 });
    zips.push((await me.send("GET", `${of}/job/${id}?result`)).bytes);
  }
  expect(await linesOf(id)).toEqual([]);
  for (const zip of zips) expect(zip.toString("latin1").split("PK\x01\x02")).toHaveLength(2);
  expect(zips[0]).not.toEqual(zips[1]);
});

test("no network but loopback, no capabilities added, no new privileges", async () => {
  const [network, status] = await say([
    "ls /sys/class/net; grep -c . /proc/net/route; wget -T 2 -q -O- http://192.0.2.1/ 2>/dev/null || echo nowhere",
    "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status",
  ]);
  expect(network!.filter((line) => !/^(tunl|sit|gre|ip6|ip_vti|erspan)/.test(line))).toEqual([
    "lo",
    // the table's head alone
    "1",
    "nowhere",
  ]);
  const value = (key: string) => status!.find((line) => line.startsWith(key))!.split(/\s+/)[1]!;
  expect(value("NoNewPrivs:")).toBe("1");
  // of the engine's own set none beyond it: 00000000a80425fb
  for (const key of ["CapEff:", "CapBnd:"]) expect(BigInt(`0x${value(key)}`) & ~0xa80425fbn).toBe(0n);
});
