import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Deployment, deploy } from "#test/faults/support/deployment.ts";
import { type Link, openLink } from "../../scripts/link/link.ts";
import { quicker, readProfiles } from "../../scripts/link/profile.ts";
import type { Row } from "../table.ts";

const run = promisify(execFile);
const BYTES = Math.round(10_000_000 * Number(process.env.BENCH_SCALE ?? 1));
/** The same link in a quarter of the time: what fits into a delay is the same. */
const QUICKER = 4;
/** The default congestion control of Linux. */
const USUAL = "cubic";
const PATIENCE = { headers: { prefer: "wait=600" } };

/**
 * 10 MB up and down over 256 kbit/s, 1 s one way and 2 % loss, against the link's rate and against `curl` of the same
 * bytes from and to a bare server over the same link, with the usual congestion control on both sides.
 */
export async function measureGoodput(): Promise<Row[]> {
  const profile = quicker(readProfiles().pass!, QUICKER);
  const best = (BYTES * 8000) / profile.up.bitsPerSecond!;
  const link = await openLink(profile, { congestion: USUAL });
  let deployment: Deployment | undefined;
  try {
    deployment = await deploy(1, { link });
    const [lane] = deployment.lanes;
    const { client } = lane!;
    const content = randomBytes(BYTES);
    const volume = lane!.volume("bench");
    mkdirSync(volume, { recursive: true });
    writeFileSync(join(volume, "down"), content);
    const up = await time(() => client.uplink({ up: content }, { pod_name: "bench" }, PATIENCE));
    const query = { pod_name: "bench", filepath: "down" };
    const down = await time(() => client.get("/em/files/downlink", query, PATIENCE));
    const peer = await curl(link, content, join(deployment.data, "curl"));
    return [...rows("uplink", up, best, peer.up), ...rows("downlink", down, best, peer.down)];
  } finally {
    await deployment?.close();
    await link.close();
  }
}

function rows(way: string, ours: number, best: number, peer: number): Row[] {
  const what = `${way} of ${BYTES / 1e6} MB at 256 kbit/s, 1 s, 2 % loss (four times as quick)`;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return [
    { what, ours: seconds(ours), peer: `rate: ${seconds(best)}`, ratio: best / ours, goal: { atLeast: 0.8 } },
    { what, ours: seconds(ours), peer: `curl: ${seconds(peer)}`, ratio: peer / ours, goal: { atLeast: 2 } },
  ];
}

async function time(work: () => Promise<{ status: number; text: string }>): Promise<number> {
  const begin = performance.now();
  const answer = await work();
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.text}`);
  return performance.now() - begin;
}

/** The same bytes by curl on the edge, each way (ms). */
async function curl(link: Link, content: Buffer, file: string): Promise<{ up: number; down: number }> {
  writeFileSync(file, content);
  const server = http.createServer(async (request, answer) => {
    if (request.method === "GET") return void answer.end(content);
    for await (const _ of request);
    answer.end();
  });
  server.listen(0, link.ground);
  await once(server, "listening");
  const url = `http://${link.ground}:${(server.address() as AddressInfo).port}/`;
  const timed = async (...args: string[]) => {
    const begin = performance.now();
    const [program, ...argv] = [
      ...link.onEdge,
      "curl",
      "--silent",
      "--fail",
      "-o",
      "/dev/null",
      ...args,
      url,
    ];
    await run(program!, argv);
    return performance.now() - begin;
  };
  try {
    return { up: await timed(), down: await timed("-T", file) };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
