import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ENTRY, Stage } from "../testing/cli-process.ts";

const AUTH = "POST /auth/";
const TOKENS = { json: { access: "a", refresh: "r" } };

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

const kept = async () => JSON.parse(await readFile(stage.credentials, "utf8"));

test("--password-stdin: the tokens are kept by URL, readable by the owner alone", async () => {
  stage.ground.on(AUTH, TOKENS);
  const { code, stdout } = await stage.run(["login", "alice", "--password-stdin"], { input: "pa ss\n" });
  expect(code).toBe(0);
  expect(stdout).not.toContain("pa ss");
  expect(JSON.parse(stage.ground.seen[0]!.body.toString())).toEqual({ username: "alice", password: "pa ss" });
  expect(await kept()).toEqual({ [stage.ground.url]: { username: "alice", access: "a", refresh: "r" } });
  expect((await stat(stage.credentials)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(stage.credentials))).mode & 0o777).toBe(0o700);
});

test("a slash at the URL's end is the same ground; another ground's log-in stays", async () => {
  await mkdir(dirname(stage.credentials), { recursive: true });
  await writeFile(stage.credentials, JSON.stringify({ "https://other": { username: "b" } }));
  await chmod(stage.credentials, 0o644);
  stage.ground.on(AUTH, TOKENS);
  await stage.run(["login", "alice", "--password-stdin", "--url", `${stage.ground.url}/`], { input: "p" });
  expect(Object.keys(await kept()).sort()).toEqual([stage.ground.url, "https://other"].sort());
  expect((await stat(stage.credentials)).mode & 0o777).toBe(0o600);
  const { code, stdout } = await stage.run(["logout", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout).data).toEqual({ removed: 1 });
  expect(Object.keys(await kept())).toEqual(["https://other"]);
  expect((await stage.run(["logout"])).stdout).toContain("You were not logged in");
});

test("a wrong password: exit 3, nothing kept", async () => {
  const json = { error: "INVALID_CREDENTIALS", message: "User name or password is wrong", detail: "x" };
  stage.ground.on(AUTH, { status: 401, json });
  const { code, stderr } = await stage.run(["login", "alice", "--password-stdin"], { input: "no" });
  expect(code).toBe(3);
  expect(stderr).toContain("User name or password is wrong");
  await expect(stat(stage.credentials)).rejects.toThrow();
});

test("too many attempts are not waited for: it says when to come back", async () => {
  const json = { error: "TOO_MANY_ATTEMPTS", message: "Too many failed log-ins" };
  stage.ground.on(AUTH, { status: 429, headers: { "Retry-After": "17" }, json });
  const { code, stderr } = await stage.run(["login", "alice", "--password-stdin"], { input: "no" });
  expect(code).toBe(5);
  expect(stderr).toContain("try again in 17 s");
  expect(stage.ground.seen).toHaveLength(1);
});

test("without a terminal and without --password-stdin: exit 2, nothing sent", async () => {
  const { code, stderr } = await stage.run(["login", "alice"], { input: "secret" });
  expect(code).toBe(2);
  expect(stderr).toContain("--password-stdin");
  expect(stage.ground.seen).toEqual([]);
});

test("a credentials file that is no JSON is named, not overwritten", async () => {
  await mkdir(dirname(stage.credentials), { recursive: true });
  await writeFile(stage.credentials, "{half");
  stage.ground.on(AUTH, TOKENS);
  const { code, stderr } = await stage.run(["login", "alice", "--password-stdin"], { input: "p" });
  expect(code).toBe(1);
  expect(stderr).toContain(stage.credentials);
  expect(await readFile(stage.credentials, "utf8")).toBe("{half");
});

test("on a terminal the password is asked for and not echoed; Ctrl-C ends it", async () => {
  stage.ground.on(AUTH, TOKENS);
  const ask = async (keys: string) => {
    const command = `${process.execPath} ${ENTRY} login alice`;
    const env = { ...process.env, XDG_CONFIG_HOME: `${stage.dir}/config`, PERIGEE_URL: stage.ground.url };
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let shown = "";
    let typed = false;
    child.stdout.setEncoding("utf8").on("data", (text) => {
      shown += text;
      if (typed || !shown.includes("Password of alice")) return;
      typed = true;
      child.stdin.write(keys);
    });
    const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
    return { code, shown };
  };
  const { code, shown } = await ask("sekrex\u007ft\r");
  expect(code).toBe(0);
  expect(shown).toContain("Logged in as alice");
  expect(shown).not.toContain("sek");
  expect(JSON.parse(stage.ground.seen[0]!.body.toString()).password).toBe("sekret");
  expect((await ask("se\u0003")).code).toBe(130);
  expect(stage.ground.seen).toHaveLength(1);
});
