import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { styleText } from "node:util";

const ROOT = resolve(import.meta.dirname, "..");
const IDCODE = "0x03822093";

export type SimulatedDevice = {
  /** what ground and agent are started with */
  env: Record<string, string>;
  /** How often it was loaded, as it says itself. */
  loads(): number;
  stop(): Promise<void>;
};

/** Starts the simulated device of examples/fpga, and writes an agent's configuration that names it. */
export async function startSimulatedDevice(
  directory: string,
  say: (line: string) => void,
): Promise<SimulatedDevice> {
  const root = join(directory, "simulated-fpga");
  const config = join(directory, "agent.json");
  writeFileSync(config, JSON.stringify({ fpga: [{ node: "fpga", root, idcode: IDCODE }] }));
  const program = join(ROOT, "examples/fpga/simulated-device.mjs");
  const child = spawn(process.execPath, [program, root], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((done) => child.once("exit", done));
  const ready = new Promise((done) => child.stdout.once("data", done));
  let loads = 0;
  child.stdout.setEncoding("utf8").on("data", (lines: string) => {
    for (const line of lines.trimEnd().split("\n")) {
      if (line.startsWith("load ")) loads++;
      say(styleText("dim", `      device | ${line}`));
    }
  });
  await Promise.race([
    ready,
    exited.then(() => {
      throw new Error("the simulated device did not start");
    }),
  ]);
  const stop = async () => {
    child.kill();
    await exited;
  };
  return { env: { PERIGEE_DIALECTS: "em,fpga", PERIGEE_AGENT_CONFIG: config }, loads: () => loads, stop };
}

export type FpgaDemo = {
  device: Pick<SimulatedDevice, "loads">;
  url: string;
  user: string;
  password: string;
  /** where its files and its log-in are */
  directory: string;
  say(line: string): void;
  signal: AbortSignal;
};

/**
 * From a stream to a pod on the simulated device, with the command.
 * @throws Error when a step does not end as it must
 */
export async function showFpga({
  device,
  url,
  user,
  password,
  directory,
  say,
  signal,
}: FpgaDemo): Promise<void> {
  const env = { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory, PERIGEE_URL: url };
  const run = async (program: string, shown: string, words: string[], input = "") => {
    say(
      styleText(
        "cyan",
        `$ ${shown} ${words.map((word) => (/[\s;]/.test(word) ? `'${word}'` : word)).join(" ")}`,
      ),
    );
    const stdio = ["pipe", "pipe", "pipe"] as const;
    const child = spawn(process.execPath, [join(ROOT, program), ...words], {
      cwd: directory,
      env,
      stdio: [...stdio],
      signal,
    });
    child.stdin.end(input);
    const ended = new Promise<number | null>((done, failed) =>
      child.once("error", failed).once("close", done),
    );
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    for (const line of `${out}${err}`.trimEnd().split("\n")) say(`      ${line}`);
    if (code !== 0) throw new Error(`${shown} ${words.slice(0, 2).join(" ")} ended with exit code ${code}`);
  };
  const perigee = (words: string[], input?: string) => run("bin/perigee.mjs", "npx perigee", words, input);
  await run("examples/fpga/make-stream.mjs", "node examples/fpga/make-stream.mjs", ["counter.bin"]);
  await perigee(["login", user, "--password-stdin"], `${password}\n`);
  await perigee(["fpga", "register", "counter.bin", "--name", "counter", "--meta", "shell_version=1.0"]);
  await perigee(["fpga", "associate", "counter", "busybox"]);
  const command = ["--", "echo the device was loaded before me"];
  const pod = ["--pod", "fpga-demo", "--max-duration", "10", "--wait-for-end"];
  await perigee(["run", "busybox", "--node", "FPGA", ...pod, ...command]);
  if (device.loads() !== 1) throw new Error("the simulated device was not loaded once");
  await perigee(["fpga", "dissociate", "counter", "busybox"]);
  await perigee(["fpga", "rm", "counter"]);
}
