import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ENTRY, Stage } from "../testing/cli-process.ts";
import { displayWidth } from "./display-width.ts";

const COLUMNS = 72;
const MESSAGE = `Back-off pulling image "client1-echo": ${"failed to resolve reference; ".repeat(20)}`;
const HOSTILE = "\u001b]0;owned\u0007\u001b[2J\u001b[31m\r\n\u009b1A";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
  const pods = [
    {
      pod_name: "pod-a",
      image: `client1-echo-test${HOSTILE}`,
      node: "mpu",
      state: { waiting: { reason: "ImagePullBackOff", message: MESSAGE + HOSTILE } },
      age: 3,
    },
  ];
  const contact = { state: "ok", last: "2025-11-20T12:31:12Z", age: 3 };
  stage.ground.on("GET /edge", {
    json: { message: "ok", data: { edge: "em", contact, busy: null, queued: 0, nodes: [], pods } },
  });
});
afterEach(() => stage.close());

/** What a terminal of COLUMNS shows: `script` (of every Debian) is one, and waits for its program. */
async function onTerminal(...args: string[]): Promise<string> {
  const perigee = [process.execPath, ENTRY, ...args].join(" ");
  const child = spawn("script", ["-qec", `stty cols ${COLUMNS}; exec ${perigee}`, "/dev/null"], {
    cwd: stage.dir,
    env: {
      PATH: process.env.PATH,
      HOME: stage.dir,
      TERM: "xterm",
      XDG_CONFIG_HOME: `${stage.dir}/config`,
      PERIGEE_URL: stage.ground.url,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    shown += text;
  });
  await new Promise((done, failed) => child.once("error", failed).once("close", done));
  return shown.replaceAll("\r\n", "\n");
}

test("on a terminal a table is no wider than that; with --wide it is whole", async () => {
  const narrow = await onTerminal("edge");
  for (const line of stripVTControlCharacters(narrow).split("\n")) {
    expect(displayWidth(line)).toBeLessThanOrEqual(COLUMNS);
  }
  expect(narrow).toMatch(/^pod-a .*…/m);
  expect(await onTerminal("edge", "--wide")).toContain(MESSAGE);
});

test("in a pipe and in JSON everything is whole", async () => {
  const { stdout } = await stage.run(["edge"]);
  expect(stdout).toContain(MESSAGE);
  const { stdout: json } = await stage.run(["edge", "--json"]);
  expect(JSON.parse(json).data.pods[0].state.waiting.message).toBe(MESSAGE + HOSTILE);
});

test("nothing from the edge is an escape sequence for the terminal", async () => {
  for (const shown of [await onTerminal("edge"), await onTerminal("edge", "--wide")]) {
    // what is bold is our own
    expect(shown.replace(/\u001b\[(?:1|22)m/g, "")).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});
