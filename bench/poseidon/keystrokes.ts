import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openLink } from "#test/live/support/link.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { percentile, type Row } from "../table.ts";
import { openEchoServer } from "./echo-server.ts";
import { PoseidonBench } from "./stack.ts";

const KEYS = scaled(200);
const WARM = 5;
const DELAYS_MS = [0, 100];
/** What a keystroke may take beside the round trip of the link. */
const MOST_MS = 5;
/** Between keystrokes, as of a quick typist. */
const PAUSE_MS = 30;

type Typed = { key(byte: string): Promise<void>; end(): Promise<void> };

/**
 * A keystroke until its echo is there, in `perigee exec -it` on a terminal of `script`, over a link with a delay between
 * ground and agent; against a byte to an echo server and back over the same link, in turns.
 */
export async function measureKeystrokes(): Promise<Row[]> {
  let link: Awaited<ReturnType<typeof openLink>> | undefined;
  const poseidon = await PoseidonBench.start({
    async through(url) {
      link = await openLink(url);
      return link.url;
    },
  });
  const server = await openEchoServer();
  const bare = await openLink(server.url);
  try {
    const id = await poseidon.pool(1);
    const runner = (await poseidon.runner(id)).slice("/runners/".length);
    await poseidon.idle(id, 1);
    const rows: Row[] = [];
    for (const delayMs of DELAYS_MS) {
      link!.delayMs = delayMs;
      bare.delayMs = delayMs;
      const ours = await typeInto(poseidon, runner);
      const peer = await sendOver(bare.url);
      const took: Record<"ours" | "peer", number[]> = { ours: [], peer: [] };
      for (let n = 0; n < KEYS + WARM; n++) {
        const key = String.fromCharCode(97 + (n % 26));
        const one = await timed(() => ours.key(key));
        const other = await timed(() => peer.key(key));
        await sleep(PAUSE_MS);
        if (n < WARM) continue;
        took.ours.push(one);
        took.peer.push(other);
      }
      await ours.end();
      await peer.end();
      for (const [name, p] of [
        ["p50", 0.5],
        ["p99", 0.99],
      ] as const) {
        const [at, bareAt] = [percentile(took.ours, p), percentile(took.peer, p)];
        rows.push({
          what: `keystroke to echo beside the round trip, ${delayMs} ms each way, ${name}`,
          ours: `${(at - bareAt).toFixed(1)} ms (${at.toFixed(1)} to ${bareAt.toFixed(1)})`,
          peer: `${MOST_MS} ms`,
          ratio: (at - bareAt) / MOST_MS,
          ...(p === 0.5 && { goal: { below: 1 } }),
        });
      }
    }
    return rows;
  } finally {
    bare.close();
    server.close();
    await poseidon.stop();
    link?.close();
  }
}

/** The CLI on a terminal: what is typed comes back as its echo. */
async function typeInto({ bench }: PoseidonBench, runner: string): Promise<Typed> {
  const root = join(import.meta.dirname, "../..");
  const command = `${process.execPath} ${join(root, "bin/perigee.mjs")} exec -it ${runner} -- cat`;
  const config = join(bench.scratch, "config");
  mkdirSync(join(config, "perigee"), { recursive: true });
  const access = bench.headers.authorization.slice("Bearer ".length);
  const tokens = { [bench.url]: { username: "bench", access, refresh: access } };
  writeFileSync(join(config, "perigee/credentials.json"), JSON.stringify(tokens), { mode: 0o600 });
  const child = spawn(program("script"), ["-qfec", command, "/dev/null"], {
    env: { ...process.env, XDG_CONFIG_HOME: config, PERIGEE_URL: bench.url },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let seen = "";
  let came = () => {};
  child.stdout.on("data", (data) => {
    seen += data;
    came();
  });
  const key = async (byte: string) => {
    seen = "";
    child.stdin.write(byte);
    while (!seen.includes(byte)) {
      if (child.exitCode !== null) throw new Error(`perigee exec ended with ${child.exitCode}`);
      await new Promise<void>((resolve) => {
        came = resolve;
      });
    }
  };
  child.once("exit", () => came());
  // until the program runs, the terminal here echoes: that is not what is measured
  await started(() => seen, key);
  return {
    key,
    async end() {
      child.stdin.write("\n\x04");
      await once(child, "exit");
    },
  };
}

/** `cat` runs when a line comes twice: once as its echo, once as its output. */
async function started(seen: () => string, key: (byte: string) => Promise<void>): Promise<void> {
  for (let n = 0; ; n++) {
    await key(`ready${n}`);
    await key("\n");
    await sleep(1_000);
    if (seen().includes(`ready${n}`)) return;
  }
}

async function sendOver(url: string): Promise<Typed> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  return {
    async key(byte) {
      socket.write(byte);
      await once(socket, "data");
    },
    async end() {
      socket.destroy();
    },
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
