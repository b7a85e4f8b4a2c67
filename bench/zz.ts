import { spawn } from "node:child_process";
import { randomBytes, randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { createCloudGround } from "#lambdas/cloud.ts";
import { serve } from "#lambdas/http/serve.ts";
import { MiB } from "#protocol/limits.ts";
import { awsAt, makeBucket, makeQueue, makeTable, uniqueName } from "#test/cloud/support/aws.ts";
import { startLocalStack } from "../scripts/localstack/start.ts";
import { median, type Row } from "./table.ts";

const ROUNDS = 2;
const SIZE_MIB = 1024;
const STILL_QUEUED = 5;

/**
 * 1 GiB straight to S3 by `perigee uplink`, from its start to its end (reading the file twice, opening the upload
 * and completing it included), against a program that sends the same file with the AWS SDK's own lib-storage to
 * the same emulator. No agent takes part: the command ends when its uplink is queued.
 */
export async function measureUplinks(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "perigee-bench-uplinks-"));
  const localStack = await startLocalStack({ dir: join(dir, "aws"), say: (line) => console.error(line) });
  const aws = awsAt(localStack.endpoint);
  try {
    const bucket = await makeBucket(aws.s3);
    const queue = await makeQueue(aws.sqs, uniqueName("bench"));
    const { dynamo, s3, sqs } = awsAt(localStack.endpoint);
    const ground = createCloudGround({
      table: await makeTable(aws.dynamo),
      bucket,
      queuePrefix: queue.slice(0, -1),
      tokens: [{ kid: "bench", secret: randomBytes(32) }],
      log: pino({ level: "silent" }),
      clients: { dynamo, s3, sqs },
    });
    await ground.accounts.addEdge(queue.slice(-1));
    const server = await serve(
      {
        fetch: async (r: Request, e: never) => {
          const t = performance.now();
          const a = await ground.app.fetch(r, e);
          console.error(
            `  ${Math.round(t)} ${r.method} ${new URL(r.url).pathname} ${Math.round(performance.now() - t)}`,
          );
          return a;
        },
      } as never,
      { host: "127.0.0.1", port: 0 },
    );
    try {
      const password = randomBytes(12).toString("hex");
      await ground.accounts.addUser("bench", password);
      const env = { ...process.env, PERIGEE_URL: server.url, XDG_CONFIG_HOME: join(dir, "config") };
      const file = join(dir, "big.bin");
      makeFile(file);
      await perigee(["login", "bench", "--password-stdin"], env, 0, password);
      const ours: number[] = [];
      const peer: number[] = [];
      const turns = [
        async () => {
          console.error(`start ${Math.round(performance.now())}`);
          ours.push(await timed(() => perigee(["uplink", file, "--no-wait"], env, STILL_QUEUED)));
          console.error(`ours ${ours}`);
          const [command] = await ground.ledger.commands("bench", { limit: 1 });
          const staged = await ground.staging.usage("uplink/bench/");
          if (command?.state !== "queued" || staged < SIZE_MIB * MiB) throw new Error("it is not all there");
          await ground.ledger.cancel("bench", command.id);
          await ground.staging.deletePrefix("uplink/bench/");
        },
        async () => {
          const script = join(import.meta.dirname, "lib-storage-upload.ts");
          const args = [script, localStack.endpoint, bucket, "peer/big.bin", file];
          peer.push(await timed(() => run(args, process.env, 0)));
          console.error(`peer ${peer}`);
          await ground.staging.deletePrefix("peer/");
        },
      ];
      // The first of all pays for what the emulator loads.
      await turns[1]!();
      peer.length = 0;
      for (let round = 0; round < ROUNDS; round++) {
        for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
      }
      const speed = (ms: number) => `${((SIZE_MIB / ms) * 1000).toFixed(0)} MiB/s`;
      return [
        {
          what: "1 GiB straight to S3 by the command",
          ours: speed(median(ours)),
          peer: `lib-storage: ${speed(median(peer))}`,
          ratio: median(peer) / median(ours),
          goal: { atLeast: 0.95 },
        },
      ];
    } finally {
      await server.close(0);
      await ground.close();
    }
  } finally {
    aws.close();
    await localStack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function perigee(args: string[], env: NodeJS.ProcessEnv, expected: number, input = ""): Promise<void> {
  return run([join(import.meta.dirname, "../cli/perigee.ts"), ...args], env, expected, input);
}

/** @throws Error when the program ends otherwise than expected */
function run(args: string[], env: NodeJS.ProcessEnv, expected: number, input = ""): Promise<void> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === expected) resolve();
      else reject(new Error(`${args[0]} ended with ${code}: ${said}`));
    });
  });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function makeFile(path: string): void {
  const fd = openSync(path, "w");
  const chunk = Buffer.alloc(MiB);
  for (let i = 0; i < SIZE_MIB; i++) writeSync(fd, randomFillSync(chunk));
  fsyncSync(fd);
  closeSync(fd);
}
console.log(await measureUplinks());
