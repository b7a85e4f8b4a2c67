import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Deployment, deploy } from "#test/faults/support/deployment.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/fpga.md"), "utf8");
/** The commands of the page's shell block, as they stand there. */
const COMMANDS = /```sh\n([^`]+)```/.exec(PAGE)?.[1]?.trim().split("\n") ?? [];

let directory: string;
let device: ChildProcess;
let deployment: Deployment;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "fpga-guide-"));
  const root = join(directory, "simulated-fpga");
  device = spawn(process.execPath, [join(ROOT, "examples/fpga/simulated-device.mjs"), root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((done) => device.stdout?.once("data", done));
  deployment = await deploy(1, {
    ground: { PERIGEE_DIALECTS: "em,fpga" },
    agent: { fpga: [{ node: "fpga", root, idcode: "0x03822093" }] },
  });
});
afterAll(async () => {
  await deployment?.close();
  device.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a line as a shell does, where the page's relative paths and `npx perigee` are. */
async function shell(line: string, input = "") {
  const program = line
    .replace("npx perigee", `"${process.execPath}" "${join(ROOT, "bin/perigee.mjs")}"`)
    .replace("node examples/", `"${process.execPath}" ${join(ROOT, "examples")}/`);
  const child = spawn("sh", ["-c", program], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      XDG_CONFIG_HOME: directory,
      PERIGEE_URL: deployment.url,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(input);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((done) => child.once("close", done)),
  ]);
  return { line, code, stdout, stderr };
}

test("the page's commands lead from a stream to a pod on the simulated device", async () => {
  expect(COMMANDS).toHaveLength(8);
  const [lane] = deployment.lanes;
  const log = await shell(`npx perigee login ${lane!.user} --password-stdin`, `${lane!.password}\n`);
  expect(log).toMatchObject({ code: 0 });
  const said = [];
  for (const line of COMMANDS) {
    const end = await shell(line);
    expect(end).toMatchObject({ code: 0 });
    said.push(end.stdout);
  }
  expect(said[1]).toContain("simulated ZynqMP FPGA Manager");
  expect(said[2]).toMatch(/^counter \([0-9a-f]{32}\) is active$/m);
  const saved = readFileSync(join(directory, "counter-log.tar"), "utf8");
  expect(saved).toContain('"state": "operating"');
  expect(saved).toContain("Z all of it is here, with the announced SHA-256\n");
});
