import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { gatewayLimits } from "#lambdas/function-url/gateway-limits.ts";
import { makeCloudWorld } from "#test/cloud/support/cloud-world.ts";
import { startLocalStack } from "../../scripts/localstack/start.ts";
import type { Row } from "../table.ts";
import { openConsoleBench, openWindow } from "./browser.ts";

const MINUTES = 2;
/** What the user has asked before. */
const COMMANDS = 30;
/** What it is held against: asking for the newest 200 commands and the edge, every two seconds. */
const PLAIN = { everyS: 2, paths: ["/commands?limit=200", "/edge"] };
const USER = "bench";

type Asked = { requests: number; bytes: number; aws: number };

/**
 * What a page asks for that is left open on DynamoDB and S3, as a Lambda serves it: counted for minutes, told for an
 * hour. In sight with nothing under way, out of sight, and in sight with a command under way.
 */
export async function measureLeftOpen(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "perigee-bench-open-"));
  const localStack = await startLocalStack({ dir });
  const bench = await openConsoleBench();
  const world = await makeCloudWorld(localStack.endpoint, {
    console: bench.folder,
    pass: gatewayLimits(false),
  });
  const going = Promise.withResolvers<void>();
  try {
    await world.agent(
      {
        "nodes.status": async () => ({ nodes: [{ name: "mpu1", status: "True" }] }),
        "volumes.list": async () => {
          await going.promise;
          return { volumes: [] };
        },
      },
      { beats: true },
    );
    const user = await world.user(USER);
    for (let n = 0; n < COMMANDS; n++) await (await user.fetch("/em/nodes/status")).arrayBuffer();
    const sizes = await Promise.all(
      PLAIN.paths.map(async (path) => (await (await user.fetch(path)).arrayBuffer()).byteLength),
    );
    const rounds = 3600 / PLAIN.everyS;
    const plain = {
      requests: rounds * PLAIN.paths.length,
      bytes: rounds * sizes.reduce((sum, size) => sum + size, 0),
    };
    const page = await openWindow(bench.browser);
    await page.addInitScript(
      `Object.defineProperty(document, "hidden", { get: () => window.isHidden === true })`,
    );
    await page.goto(`${world.url}/console`);
    await page.evaluate(`sessionStorage.setItem("perigee.session", ${JSON.stringify(session(user.token))})`);
    await page.reload();
    await page.getByRole("banner").getByText("Live", { exact: true }).waitFor();
    const idle = await count(page, world.calls);
    await page.evaluate("window.isHidden = true");
    const hidden = await count(page, world.calls);
    await page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))");
    await (await user.fetch("/em/pvc/list", { headers: { prefer: "respond-async" } })).arrayBuffer();
    await sleep(5000);
    const busy = await count(page, world.calls);
    await page.context().close();
    const row = (what: string, { requests, bytes, aws }: Asked): Row => ({
      what: `a page left open for an hour, ${what}`,
      ours: `${requests.toFixed(0)} requests, ${megabytes(bytes)}, ${aws.toFixed(0)} AWS requests`,
      peer: `both every ${PLAIN.everyS} s: ${plain.requests} requests, ${megabytes(plain.bytes)}`,
      ratio: bytes / plain.bytes,
    });
    return [row("in sight", idle), row("out of sight", hidden), row("a command under way", busy)];
  } finally {
    going.resolve();
    await world.close();
    await bench.close();
    await localStack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function session(access: string): string {
  return JSON.stringify({ user: USER, access, refresh: "none" });
}

/** For an hour; those of AWS without the agent's. */
async function count(page: Page, calls: readonly string[]): Promise<Asked> {
  const session = await page.context().newCDPSession(page);
  let requests = 0;
  let bytes = 0;
  session.on("Network.requestWillBeSent", () => {
    requests += 1;
  });
  session.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await session.send("Network.enable");
  const before = calls.length;
  await sleep(MINUTES * 60_000);
  await session.detach();
  const aws = calls.slice(before).filter((call) => call.startsWith("user's ground")).length;
  const hour = 60 / MINUTES;
  return { requests: requests * hour, bytes: bytes * hour, aws: aws * hour };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
