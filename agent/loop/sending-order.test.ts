import { once } from "node:events";
import http, { type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { KiB } from "#protocol/limits.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { GroundClient } from "../ground/ground-client.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { Transfers } from "./transfers.ts";

const FILE = Buffer.alloc(40 * 64 * KiB, "file");
const ID = "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F";

let server: http.Server;
let ground: GroundClient;
const stop = new AbortController();
/** what content and logs came in and wait for their answer */
let open: { what: string; response: ServerResponse }[];
/** pieces of content for which a turn was asked */
let waited: number;
/** what came to the ground, in order */
let came: string[];
beforeEach(async () => {
  open = [];
  came = [];
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url!;
    const asked = () => JSON.parse(String(Buffer.concat(chunks)));
    const signed = (url: string) => ({ url, headers: {} });
    const say = (answer: unknown) => response.end(JSON.stringify(answer));
    if (path === "/agent/transfers/parts") {
      const { command, parts } = asked();
      say({ parts: parts.map((_: unknown, n: number) => signed(`/put/${command}/${n}`)) });
    } else if (path === "/agent/transfers/complete") say({ content: { n: 0, size: FILE.length } });
    else if (path === "/agent/transfers") {
      const { command, size, partBytes } = asked();
      say(size <= partBytes ? { whole: signed(`/put/${command}/0`) } : { partBytes });
    } else if (path === "/agent/report") {
      came.push("report");
      say({ acknowledged: true, more: false });
    } else {
      const what = path.split(/[/?]/)[path.startsWith("/put") ? 2 : 1]!;
      came.push(what);
      open.push({ what, response });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  ground = new GroundClient({ url: `http://127.0.0.1:${port}`, token: "t" });
  // as a slow link is known
  ground.link.sent(256 * KiB, 100_000);
  waited = 0;
  const { turns } = ground.link;
  const sender = turns.sender.bind(turns);
  vi.spyOn(turns, "sender").mockImplementation((sent) => {
    const { turn } = sender(sent);
    return {
      turn: (...piece) => {
        waited++;
        return turn(...piece);
      },
    };
  });
});
afterEach(async () => {
  ground.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

const outgoing = new OutgoingStore(new DatabaseSync(":memory:"), "/nowhere");
const store = (id: string, operation: string, content: Buffer, priority?: number) => {
  const command = {
    id,
    user: "ann",
    operation,
    ...(priority !== undefined && { priority }),
  } as ClaimedCommand;
  const transfers = new Transfers({ ground, epoch: 1, command, signal: stop.signal, outgoing });
  return transfers.store(0, content, content.length);
};
const atGround = (count: number) => expect.poll(() => came.length).toBe(count);

test("a report, a result and what is urgent are not behind a large file, and logs are behind all", async () => {
  const file = store("file", "volume.read", FILE);
  await atGround(8);
  const outcome = { state: "succeeded" as const, result: {} };
  expect(await ground.report({ epoch: 1, user: "ann", command: ID, outcome })).toBe(false);
  expect(came).toEqual([...Array(8).fill("file"), "report"]);
  const chunk = { epoch: 1, user: "ann", pod: "p", run: ID, seq: 0 };
  const others = [
    ground.logs(chunk, Buffer.from("line")),
    store("urgent", "volume.read", Buffer.from("urgent"), 9),
    store("result", "job.run", Buffer.from("result"), 0),
  ];
  // the parts of two batches, and the two others
  await expect.poll(() => waited).toBe(34);
  // Each in turn begins when one of those under way has ended.
  let all = came.length;
  while (open.length > 0) {
    open.shift()!.response.end("{}");
    if (all < 9 + FILE.length / (64 * KiB) - 8 + others.length) await atGround(++all);
  }
  await Promise.all([file, ...others]);
  expect(came.slice(9, 11).toSorted()).toEqual(["result", "urgent"]);
  expect(came.at(-1)).toBe("agent");
  expect(came.filter((what) => what === "file").length).toBe(FILE.length / (64 * KiB));
});
