import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { makeCertificate } from "#test/support/certificate.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { Child } from "../../scripts/child.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor } from "../../scripts/docker-engine.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PASSWORD = "correct horse";
const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");

let data: string;
let ground: Child;
let agent: Child;
let url: string;
/** the files that the server was given, and one that is to be next */
let used: { cert: string; key: string };
let next: { cert: string; key: string };
const log: string[] = [];

/** A server, an agent, and below the command, in processes of their own; they trust `used` by NODE_EXTRA_CA_CERTS. */
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "perigee-chain-tls-"));
  [used, next] = await Promise.all([makeCertificate(data, "used"), makeCertificate(data, "next")]);
  copyFileSync(used.cert, join(data, "trusted.pem"));
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  const accounts = new Accounts(store, { passwordCost: QUICK_PASSWORDS });
  const { token } = await accounts.addEdge("em1");
  await accounts.addUser("ada", PASSWORD);
  await store.close();
  ground = await Child.start(
    "ground",
    [join(ROOT, "lambdas/entries/server.ts")],
    environment({
      PERIGEE_DATA: data,
      PERIGEE_PORT: "0",
      PERIGEE_TLS_CERT: used.cert,
      PERIGEE_TLS_KEY: used.key,
    }),
    (line) => void log.push(line),
  );
  url = String((await ground.ready).url);
  writeFileSync(join(data, "token"), token, { mode: 0o600 });
  writeFileSync(
    join(data, "agent.json"),
    JSON.stringify({ publicImages: [], pollMs: 200, freeFloorBytes: 0 }),
  );
  agent = await Child.start(
    "agent",
    [join(ROOT, "agent/entries/agent.ts")],
    environment({
      PERIGEE_GROUND: url,
      PERIGEE_AGENT_TOKEN_FILE: join(data, "token"),
      PERIGEE_AGENT_DATA: join(data, "agent"),
      PERIGEE_AGENT_CONFIG: join(data, "agent.json"),
    }),
    () => {},
  );
  await agent.ready;
});
afterAll(async () => {
  await agent?.stop(30_000);
  await ground?.stop(30_000);
  await cleanEngine(docker, join(data, "agent"));
  rmSync(data, { recursive: true, force: true });
});

const environment = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...process.env,
  NODE_EXTRA_CA_CERTS: join(data, "trusted.pem"),
  ...more,
});

async function perigee(args: string[], input = "", more: NodeJS.ProcessEnv = {}) {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(ROOT, "cli/perigee.ts"), ...args],
    {
      cwd: data,
      env: environment({ PERIGEE_URL: url, XDG_CONFIG_HOME: join(data, "config"), ...more }),
    },
  );
  child.stdin.end(input);
  const ended = new Promise<number | null>((end) => child.once("close", end));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { out, err, code };
}

test("server, agent and command speak HTTPS, signed URLs too", async () => {
  expect(url).toMatch(/^https:/);
  expect(await perigee(["login", "ada", "--password-stdin"], PASSWORD)).toMatchObject({ code: 0 });
  writeFileSync(join(data, "hello.txt"), "over TLS");
  expect(await perigee(["uplink", "hello.txt"])).toMatchObject({ code: 0 });
  const down = await perigee(["downlink", "hello.txt", "-o", "back.txt"]);
  expect(down).toMatchObject({ code: 0 });
  expect((await perigee(["ls"])).out).toContain("hello.txt");
});

test("a certificate that nobody vouches for is refused", async () => {
  const { code, err } = await perigee(["ls"], "", { NODE_EXTRA_CA_CERTS: next.cert });
  expect(code).not.toBe(0);
  expect(err).toMatch(/certificate/i);
});

test("SIGHUP brings another certificate; a file that is wrong changes nothing", async () => {
  const name = () =>
    new Promise<string>((done, failed) => {
      const sent = request(`${url}/healthz`, { rejectUnauthorized: false, agent: false }, (answer) => {
        const socket = answer.socket as import("node:tls").TLSSocket;
        done(String(socket.getPeerCertificate().subject.CN));
        answer.resume();
      });
      sent.once("error", failed).end();
    });
  expect(await name()).toBe("used");
  copyFileSync(next.cert, used.cert);
  process.kill(ground.pid, "SIGHUP");
  await expect.poll(() => log.join("\n"), { timeout: 30_000 }).toContain("the certificate before it stays");
  expect(await name()).toBe("used");
  copyFileSync(next.key, used.key);
  process.kill(ground.pid, "SIGHUP");
  await expect.poll(name, { timeout: 30_000 }).toBe("next");
});
