import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VERSION } from "#protocol/version.ts";
import { Stage } from "./testing/cli-process.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/perigee.mjs", import.meta.url));

/** A Node that cannot run the CLI by itself, when this machine has one. */
const older = (process.env.PATH ?? "")
  .split(delimiter)
  .map((directory) => join(directory, "node"))
  .filter(existsSync)
  .find((node) => {
    const version = spawnSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout ?? "";
    return Number(version.split(".")[0]) >= 18 && Number(version.split(".")[0]) < 24;
  });

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

describe.each([
  ["Node 24", process.execPath],
  ["an older Node", older],
])("on %s", (_, node) => {
  const start = (args: string[]): ChildProcess =>
    spawn(node!, [LAUNCHER, ...args], {
      env: { PATH: process.env.PATH, XDG_CONFIG_HOME: `${stage.dir}/config`, PERIGEE_URL: stage.ground.url },
      stdio: ["ignore", "pipe", "pipe"],
    });
  const ended = async (child: ChildProcess) => {
    let text = "";
    for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (text += chunk));
    const code = await new Promise((resolve) => child.once("close", resolve));
    return { code, text };
  };

  test.runIf(node)("output, exit code and arguments pass through", async () => {
    expect(await ended(start(["--version"]))).toEqual({ code: 0, text: `${VERSION}\n` });
    expect((await ended(start(["run", "an image"]))).code).toBe(2);
    stage.ground.on("GET /em/files/list", { json: { message: "ok", data: [] } });
    const { code, text } = await ended(start(["ls", "--pod", "a b", "--json"]));
    expect({ code, text }).toEqual({ code: 0, text: '{"message":"ok","data":[]}\n' });
    expect(stage.ground.seen[0]!.path).toBe("/em/files/list?pod_name=a+b");
  });

  test.runIf(node)("signals pass through", async () => {
    for (const [signal, exit] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const asked = new Promise<void>((resolve) => {
        stage.ground.on("GET /em/nodes/status", { raw: () => resolve() });
      });
      const child = start(["nodes"]);
      const end = ended(child);
      await asked;
      child.kill(signal);
      expect((await end).code).toBe(exit);
    }
  });
});
