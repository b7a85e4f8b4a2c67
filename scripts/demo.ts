import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import { cleanEngine } from "./clean-engine.ts";
import { DemoClient } from "./demo-client.ts";
import { type SimulatedDevice, showFpga, startSimulatedDevice } from "./demo-fpga.ts";
import { doMainJob } from "./demo-steps.ts";
import { clientFor } from "./docker-engine.ts";
import { ensureBaseImage } from "./ensure-base-image.ts";
import { ensureDocker } from "./ensure-docker.ts";
import { startStack } from "./stack.ts";

/**
 * `npm run demo`: sets up what is missing, starts ground and agent on a free port with data of their own,
 * does the main job on examples/echo-test and shows every request with its real answer, and a run on the simulated device
 * of examples/fpga; then stops and removes what it started and made. Exit code 0 only when all was as it must be.
 */
const DEADLINE_MS = 15 * 60_000;
const LOG_LINES = 30;

const say = (line: string) => console.log(line);
const step = (what: string) => say(`\n${styleText("bold", what.startsWith("✓") ? what : `— ${what}`)}`);

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));
}

process.exitCode = await main();

async function main(): Promise<number> {
  const log: string[] = [];
  try {
    step("Docker engine and base image");
    const engine = await ensureDocker({ say });
    const docker = clientFor(engine.host);
    await ensureBaseImage(docker, say);
    const data = mkdtempSync(join(tmpdir(), "perigee-demo-"));
    const own = mkdtempSync(join(tmpdir(), "perigee-demo-fpga-"));
    const device = await startSimulatedDevice(own, say);
    try {
      await onStack({ data, own, dockerHost: engine.host, device, log });
    } finally {
      await device.stop();
      await cleanEngine(docker, join(data, "agent"));
      for (const directory of [data, own]) rmSync(directory, { recursive: true, force: true });
    }
    step("✓ The demo did what it should; nothing of it is left");
    if (engine.startedPid)
      say(`The Docker engine that was started stays up: kill ${engine.startedPid} stops it.`);
    return 0;
  } catch (error) {
    const { message } = error as Error;
    if (log.length > 0)
      console.error(styleText("dim", `\nThe last log lines:\n${log.slice(-LOG_LINES).join("\n")}`));
    console.error(styleText("red", `\n✗ The demo failed: ${message}`));
    return 1;
  }
}

type DemoStack = {
  data: string;
  /** directory of what is shown with an FPGA */
  own: string;
  dockerHost: string;
  device: SimulatedDevice;
  log: string[];
};

async function onStack({ data, own, dockerHost, device, log }: DemoStack): Promise<void> {
  step("Start ground and agent, two processes");
  const deadline = AbortSignal.any([interrupted.signal, AbortSignal.timeout(DEADLINE_MS)]);
  const password = randomBytes(15).toString("base64url");
  const stack = await startStack({
    data,
    host: "127.0.0.1",
    port: 0,
    user: "demo",
    password,
    dockerHost,
    env: device.env,
    onLine: (child, line) => void log.push(`${child} | ${line}`),
    signal: deadline,
  });
  let stopped = false;
  try {
    say(`ground: ${stack.url} (process ${stack.ground.pid})`);
    say(`agent:  process ${stack.agent.pid}, talks to it from the other side`);
    const client = new DemoClient(stack.url, say, deadline);
    step("Log in");
    await client.logIn("demo", password);
    const dead = stack.died.then(({ child }) => {
      throw new Error(`the ${child.name} ended in the middle`);
    });
    await Promise.race([doMainJob(client, step, deadline), dead]);
    step(
      "Program an FPGA before a pod starts. The device is simulated: nothing is programmed, whatever is printed",
    );
    const fpga = { device, url: stack.url, user: "demo", password, directory: own, say, signal: deadline };
    await Promise.race([showFpga(fpga), dead]);
    step("Stop agent and ground");
    stopped = true;
    if (!(await stack.stop())) throw new Error("ground or agent did not stop cleanly");
    say("both ended with exit code 0");
  } finally {
    if (!stopped) await stack.stop();
  }
}
