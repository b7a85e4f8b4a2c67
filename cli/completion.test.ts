import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENTRY } from "./testing/cli-process.ts";

const scripts: Record<string, string> = {};
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "perigee-completion-"));
  writeFileSync(join(dir, "a file.tar"), "");
  writeFileSync(join(dir, "other"), "");
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout, status } = spawnSync(process.execPath, [ENTRY, "completion", shell], {
      encoding: "utf8",
    });
    expect(status).toBe(0);
    scripts[shell] = stdout;
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What bash would offer after these words, the last one being typed. */
function offered(...words: string[]): string[] {
  const program = `${scripts.bash}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _perigee; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "--noprofile", "-uc", program, "bash", "perigee", ...words];
  const { stdout, stderr, status } = spawnSync("bash", args, { encoding: "utf8", cwd: dir });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter(Boolean);
}

describe("bash", () => {
  test("verbs, at the start and after global options", () => {
    expect(offered("")).toEqual(expect.arrayContaining(["login", "uplink", "run", "commands"]));
    expect(offered("kabuto", "")).toEqual(["run", "jobs", "logs", "results", "kill", "cancel"]);
    expect(offered("kabuto", "run", "oth")).toEqual(["other"]);
    expect(offered("kabuto", "run", ".", "--attach", "oth")).toEqual(["other"]);
    expect(offered("kabuto", "jobs", "--state", "in")).toEqual(["in_queue"]);
    expect(offered("log")).toEqual(["login", "logout", "logs", "log"]);
    expect(offered("--url", "http://x", "--json", "upl")).toEqual(["uplink"]);
  });

  test("verbs below a verb", () => {
    expect(offered("volumes", "")).toEqual(["rm", "create", "attach", "detach"]);
    expect(offered("instance", "")).toEqual(["run", "ls", "start", "stop", "rm", "images", "rmi", "logs"]);
    expect(offered("compile", "oth")).toEqual(["other"]);
    expect(offered("volumes", "create", "v", "--type", "")).toEqual(["ext2", "fat"]);
    expect(offered("volumes", "rm", "--p")).toEqual(["--priority"]);
  });

  test("options of the verb and global ones", () => {
    expect(offered("run", "echo", "--wa")).toEqual(expect.arrayContaining(["--wait", "--wait-for-end"]));
    expect(offered("run", "--max")).toEqual(["--max-duration"]);
    expect(offered("nodes", "--max")).toEqual([]);
  });

  test("runners, sessions and execution in them", () => {
    expect(offered("run")).toEqual(["run", "runners"]);
    expect(offered("ses")).toEqual(["sessions"]);
    expect(offered("exe")).toEqual(["exec"]);
    for (const verb of ["runners", "sessions"]) expect(offered(verb, "--js")).toEqual(["--json"]);
    expect(offered("exec", "--")).toEqual(
      expect.arrayContaining(["--interactive", "--tty", "--env", "--workdir", "--limit", "--json"]),
    );
    expect(offered("exec", "-w", "")).toEqual([]);
  });

  test("values that an option knows, and none for one that is free", () => {
    expect(offered("run", "echo", "--node", "")).toEqual(["FPGA", "GPU", "MPU"]);
    expect(offered("commands", "--state", "c")).toEqual(["cancelled"]);
    expect(offered("run", "--pod", "")).toEqual([]);
    expect(offered("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  test("-f takes a value where it does, and none where it does not", () => {
    expect(offered("build", "-f", "--p")).toEqual([]);
    expect(offered("logs", "-f", "--p")).toEqual(["--pod", "--previous", "--priority"]);
  });

  test("local files where a local file is meant, and only there", () => {
    expect(offered("uplink", "")).toEqual(["a file.tar", "other"]);
    expect(offered("uplink", "x", "ot")).toEqual(["other"]);
    expect(offered("downlink", "x", "-o", "a")).toEqual(["a file.tar"]);
    expect(offered("downlink", "")).toEqual([]);
    expect(offered("rm", "")).toEqual([]);
  });

  test("nothing behind --", () => {
    expect(offered("run", "echo", "--", "")).toEqual([]);
  });
});

/** The shells themselves are not everywhere: where they are, they must read their script. */
test.each([
  ["bash", ["-n"]],
  ["zsh", ["-n"]],
  ["fish", ["--no-execute"]],
])("%s reads its script", (shell, flags) => {
  expect(scripts[shell]).toContain("uplink");
  const file = join(dir, `script.${shell}`);
  writeFileSync(file, scripts[shell]!);
  const { status, error } = spawnSync(shell, [...flags, file], { encoding: "utf8" });
  if ((error as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") expect(status).toBe(0);
  rmSync(file);
});
