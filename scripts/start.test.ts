import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commandLine, endProcess, environmentOf, isAlive, until } from "./processes.ts";

const START = join(import.meta.dirname, "start.ts");
const PASSWORD = "correct horse battery";

let data: string;
const running: Start[] = [];
beforeEach(() => {
  data = join(mkdtempSync(join(tmpdir(), "perigee-start-")), "data");
});
afterEach(async () => {
  for (const start of running.splice(0)) {
    if (start.child.exitCode === null && start.child.signalCode === null)
      await endProcess(start.child.pid!, 30_000);
  }
  for (const pid of childPids()) {
    if (environmentOf(pid, "PERIGEE_DATA") === data) await endProcess(pid, 5_000);
  }
  rmSync(join(data, ".."), { recursive: true, force: true });
});

type Start = {
  child: ChildProcess;
  lines: string[];
  exit: Promise<number | null>;
  said(pattern: RegExp): Promise<string>;
};

function start(env: NodeJS.ProcessEnv = {}): Start {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", START], {
    env: { ...process.env, PERIGEE_DATA: data, PERIGEE_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting: { pattern: RegExp; resolve: (line: string) => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
    });
  }
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  const said = (pattern: RegExp) => {
    const before = lines.find((line) => pattern.test(line));
    if (before !== undefined) return Promise.resolve(before);
    const heard = new Promise<string>((resolve) => waiting.push({ pattern, resolve }));
    const never = exit.then((code): never => {
      throw new Error(`ended with ${code} before saying ${pattern}:\n${lines.join("\n")}`);
    });
    return Promise.race([heard, never]);
  };
  const started = { child, lines, exit, said };
  running.push(started);
  return started;
}

const ready = async (started: Start) => (await started.said(/^Perigee is ready at /)).split(" ").at(-1)!;
const childPids = (): number[] => {
  try {
    return JSON.parse(readFileSync(join(data, "start.json"), "utf8")).children;
  } catch {
    return [];
  }
};
const logIn = (url: string, username: string, password: string) =>
  fetch(`${url}/auth/`, { method: "POST", body: new URLSearchParams({ username, password }) });

test("starts both, keeps its secrets to itself, and stops both on SIGTERM", async () => {
  const first = start({ PERIGEE_USER: "ada", PERIGEE_PASSWORD: PASSWORD });
  const url = await ready(first);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await logIn(url, "ada", PASSWORD)).status).toBe(200);

  const [ground, agent] = childPids() as [number, number];
  const token = readFileSync(join(data, "agent-em1.token"), "utf8").trim();
  for (const pid of [first.child.pid!, ground, agent]) {
    expect(commandLine(pid)).not.toContain(PASSWORD);
    expect(commandLine(pid)).not.toContain(token);
  }
  expect(environmentOf(ground, "PERIGEE_PASSWORD")).toBeUndefined();
  expect(environmentOf(agent, "PERIGEE_PASSWORD")).toBeUndefined();
  expect(statSync(data).mode & 0o777).toBe(0o700);
  expect(statSync(join(data, "agent-em1.token")).mode & 0o777).toBe(0o600);
  expect(first.lines.join("\n")).not.toContain(PASSWORD);
  expect(first.lines.join("\n")).not.toContain(token);

  first.child.kill("SIGTERM");
  expect(await first.exit).toBe(0);
  expect([isAlive(ground), isAlive(agent)]).toEqual([false, false]);
  const order = first.lines.filter((line) => line.includes('"stopping"')).map((line) => line.split(" ")[0]);
  expect(order).toEqual(["agent", "ground"]);
});

const register = async (url: string): Promise<unknown> => {
  const body = new URLSearchParams({ login: "me", password: "SecreT", email: "me@example.com" });
  return (await fetch(`${url}/register`, { method: "POST", body })).json();
};

test("makes up a first user and tells its password once", async () => {
  const first = start();
  const url = await ready(first);
  const [, user, password] = /^First user: (\S+) {2}password: (\S+)/.exec(await first.said(/^First user/))!;
  expect((await logIn(url, user!, password!)).status).toBe(200);
  first.child.kill("SIGINT");
  expect(await first.exit).toBe(0);

  const again = start();
  const newUrl = await ready(again);
  // nobody else reaches it, and the operator did not say who may register
  expect(again.lines.join("\n")).toContain("PERIGEE_KABUTO_REGISTRATION=closed");
  expect(await register(newUrl)).toMatchObject({ status: "success" });
  expect(again.lines.join("\n")).not.toContain("First user");
  expect((await logIn(newUrl, user!, password!)).status).toBe(200);
});

test("a second start on the same data is refused and leaves the first alone", async () => {
  const first = start();
  const url = await ready(first);
  const second = start();
  expect(await second.exit).toBe(3);
  expect(second.lines.join("\n")).toContain(`already running on ${data} (process ${first.child.pid})`);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test.each(["ground", "agent"])("when the %s dies it stops the other and exits non-zero", async (which) => {
  const first = start();
  await ready(first);
  const [ground, agent] = childPids() as [number, number];
  process.kill(which === "ground" ? ground : agent, "SIGKILL");
  expect(await first.exit).toBe(1);
  expect(first.lines.join("\n")).toContain(`The ${which} ended by itself (signal SIGKILL)`);
  expect([isAlive(ground), isAlive(agent)]).toEqual([false, false]);
});

test("takes over from a start that was killed", async () => {
  const first = start({ PERIGEE_USER: "ada", PERIGEE_PASSWORD: PASSWORD });
  await ready(first);
  const orphans = childPids();
  first.child.kill("SIGKILL");
  await first.exit.catch(() => {});
  expect(orphans.map(isAlive)).toEqual([true, true]);

  const next = start();
  const url = await ready(next);
  expect(await until(() => !orphans.some(isAlive), 10_000)).toBe(true);
  expect((await logIn(url, "ada", PASSWORD)).status).toBe(200);
});

test("a port that is no port is refused", async () => {
  const wrong = start({ PERIGEE_PORT: "http" });
  expect(await wrong.exit).toBe(1);
  expect(wrong.lines).toEqual(['PERIGEE_PORT: "http" is no whole number from 0 (any free port) to 65535']);
});

test("a wrong setting of a dialect is refused with its name and rule, before anything is made", async () => {
  const wrong = start({ PERIGEE_KABUTO_REGISTRATION: "opne" });
  expect(await wrong.exit).toBe(1);
  expect(wrong.lines).toEqual(['PERIGEE_KABUTO_REGISTRATION: "opne" is none of closed, open, confirm']);
});

test("becomes ready with a quiet log too, and registration stays as the operator says", async () => {
  const settings = { PERIGEE_LOG_LEVEL: "silent", PERIGEE_KABUTO_REGISTRATION: "closed" };
  const quiet = start({ ...settings, PERIGEE_USER: "ada", PERIGEE_PASSWORD: PASSWORD });
  const url = await ready(quiet);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(await register(url)).toMatchObject({ status: "fail" });
  expect(quiet.lines.join("\n")).not.toContain("PERIGEE_KABUTO");
});

test("a first password that breaks its rule is refused, and the next start goes on", async () => {
  const first = start({ PERIGEE_USER: "Ada-1", PERIGEE_PASSWORD: PASSWORD });
  expect(await first.exit).toBe(1);
  expect(first.lines.join("\n")).toContain("user name");
  await ready(start({ PERIGEE_USER: "ada", PERIGEE_PASSWORD: PASSWORD }));
});
