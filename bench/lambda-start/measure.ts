import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleLambdas } from "../../scripts/lambda-bundles.ts";
import { ensureLambdaImage } from "../../scripts/localstack/lambda-runtime.ts";
import { startLocalStack } from "../../scripts/localstack/start.ts";
import { percentile, type Row } from "../table.ts";
import { Functions } from "./functions.ts";

const STARTS = 15;

/**
 * Bundle and start of the API Lambda against a bare Hono Lambda with the same AWS clients, on the same LocalStack:
 * from the start of the process until it asks for its first event, as Lambda's own Init Duration. The token keys
 * are read later, with the first token.
 */
export async function measureLambdaStart(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "perigee-bench-lambda-"));
  const say = (line: string) => console.error(line);
  const localStack = await startLocalStack({ dir: join(dir, "localstack"), say });
  try {
    await ensureLambdaImage(say);
    const { folders } = await bundleLambdas(join(dir, "bundles"), {
      api: "bench/lambda-start/api.ts",
      bare: "bench/lambda-start/bare.ts",
    });
    const { api, bare } = folders;
    const functions = new Functions(localStack.endpoint);
    const ours: number[] = [];
    const peer: number[] = [];
    await functions.start(bare);
    // In turns, so that whatever else the machine does falls on both
    for (let i = 0; i < STARTS; i++) {
      ours.push(await functions.start(api));
      peer.push(await functions.start(bare));
    }
    const [ourBytes, theirBytes] = await Promise.all([api, bare].map(sizeOf));
    const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`;
    const row = (name: string, p: number, goal?: Row["goal"]): Row => ({
      what: `start of the API Lambda, ${name}`,
      ours: `${percentile(ours, p).toFixed(0)} ms`,
      peer: `bare Hono Lambda: ${percentile(peer, p).toFixed(0)} ms`,
      ratio: percentile(ours, p) / percentile(peer, p),
      ...(goal && { goal }),
    });
    return [
      {
        what: "files read at the start of the API Lambda",
        ours: kib(ourBytes!),
        peer: `bare Hono Lambda: ${kib(theirBytes!)}`,
        ratio: ourBytes! / theirBytes!,
      },
      row("p50", 0.5, { below: 1.2 }),
      row("p90", 0.9),
    ];
  } finally {
    await localStack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Bytes of the files that are read at the start: the entry, and what it and those import. */
async function sizeOf(folder: string): Promise<number> {
  const files = new Set(["index.mjs"]);
  let bytes = 0;
  for (const file of files) {
    const text = await readFile(join(folder, file), "utf8");
    bytes += Buffer.byteLength(text);
    for (const [, imported] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) files.add(imported!);
  }
  return bytes;
}
