import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { median, type Row } from "./table.ts";

const LAUNCHER = resolve(import.meta.dirname, "../bin/perigee.mjs");
const ROUNDS = 25;
const GOAL = { below: 4 };

/**
 * Start of the command: `perigee --help`, and `perigee nodes` against a ground that answers at once, against a
 * Node that does nothing. The bundle is made before the first measured start.
 */
export async function measureCliStart(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), "perigee-bench-cli-"));
  const ground = createServer((_, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ message: "ok", data: [{ name: "MPU", status: "True" }] }));
  });
  await new Promise<void>((done) => ground.listen(0, "127.0.0.1", done));
  try {
    const url = `http://127.0.0.1:${(ground.address() as AddressInfo).port}`;
    const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: directory, PERIGEE_URL: url };
    logIn(directory, url);
    const starts = {
      peer: () => run(["-e", "0"], env),
      help: () => run([LAUNCHER, "--help"], env),
      nodes: () => run([LAUNCHER, "nodes"], env),
    };
    const samples = { peer: [] as number[], help: [] as number[], nodes: [] as number[] };
    for (const start of Object.values(starts)) await start();
    // In turns, so that whatever else the machine does falls on all
    for (let i = 0; i < ROUNDS; i++) {
      for (const name of ["peer", "help", "nodes"] as const) samples[name].push(await starts[name]());
    }
    const peer = median(samples.peer);
    return (["help", "nodes"] as const).map((name) => ({
      what: `start of perigee ${name === "help" ? "--help" : name}`,
      ours: `${median(samples[name]).toFixed(0)} ms`,
      peer: `node -e 0: ${peer.toFixed(0)} ms`,
      ratio: median(samples[name]) / peer,
      goal: GOAL,
    }));
  } finally {
    ground.closeAllConnections();
    ground.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function logIn(directory: string, url: string): void {
  const claims = { exp: Math.floor(Date.now() / 1000) + 3600 };
  const access = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
  mkdirSync(join(directory, "perigee"), { recursive: true });
  const tokens = { [url]: { username: "bench", access, refresh: "none" } };
  writeFileSync(join(directory, "perigee/credentials.json"), JSON.stringify(tokens));
}

/** @returns ms from start to end */
async function run(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("exit", done);
  });
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}`);
  return performance.now() - began;
}
