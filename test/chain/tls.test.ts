import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { makeCertificate } from "#test/support/certificate.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { Child } from "../../scripts/child.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor } from "../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PASSWORD = "correct horse";
const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");

let data: string;
let ground: Child;
let agent: Child;
let url: string;
let poseidonToken: string;
/** the files that the server was given, and one that is to be next */
let used: { cert: string; key: string };
let next: { cert: string; key: string };
const log: string[] = [];

/** A server, an agent, and below the command, in processes of their own; they trust `used` by NODE_EXTRA_CA_CERTS. */
beforeAll(async () => {
  await makeRunnerImage(docker);
  data = mkdtempSync(join(tmpdir(), "perigee-chain-tls-"));
  [used, next] = await Promise.all([makeCertificate(data, "used"), makeCertificate(data, "next")]);
  copyFileSync(used.cert, join(data, "trusted.pem"));
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  const accounts = new Accounts(store, { passwordCost: QUICK_PASSWORDS });
  const { token } = await accounts.addEdge("em1");
  const { uid } = await accounts.addUser("ada", PASSWORD);
  const tokens = operatorTokens(store, "poseidon");
  poseidonToken = await tokens.add({ name: "tls", user: "ada", uid, createdAt: Date.now() });
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
    JSON.stringify({ publicImages: [RUNNER_IMAGE], pollMs: 200, freeFloorBytes: 0 }),
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

test("an execution of Poseidon's API is reached by wss where the server itself speaks TLS", {
  timeout: 240_000,
}, async () => {
  const ca = readFileSync(join(data, "trusted.pem"));
  const headers = { "Poseidon-Token": poseidonToken };
  const ask = (method: string, path: string, body: object, more: object = {}) =>
    new Promise<[number | undefined, string]>((done, failed) => {
      const of = { ca, method, agent: false as const, headers: { ...headers, ...more } };
      const sent = request(`${url}/api/v1${path}`, of, (answer) => {
        text(answer).then((said) => done([answer.statusCode, said]), failed);
      });
      sent.once("error", failed).end(JSON.stringify(body));
    });
  const [made] = await ask("PUT", "/execution-environments/1", {
    image: RUNNER_IMAGE,
    prewarmingPoolSize: 1,
    memoryLimit: 64,
  });
  expect(made).toBe(201);
  const handOut = () => ask("POST", "/runners", { executionEnvironmentId: 1 }, { prefer: "wait=60" });
  let [status, answer] = await handOut();
  // a machine that does much else takes longer
  for (let n = 0; n < 2 && status !== 200; n++) [status, answer] = await handOut();
  const { runnerId } = JSON.parse(answer);
  const [, permitted] = await ask("POST", `/runners/${runnerId}/execute`, { command: "echo over TLS" });
  const { websocketUrl } = JSON.parse(permitted);
  expect(websocketUrl).toContain(`${url.replace("https:", "wss:")}/api/v1/runners/${runnerId}/websocket?`);
  const socket = new WebSocket(websocketUrl, { ca, headers });
  const messages: object[] = [];
  socket.on("message", (message) => messages.push(JSON.parse(message.toString())));
  await once(socket, "close");
  expect(messages).toEqual([
    { type: "start" },
    { type: "stdout", data: "over TLS\r\n" },
    { type: "exit", data: 0 },
  ]);
  // Node does not say by itself how long the body of a DELETE is
  const length = { "content-length": "2" };
  expect(await ask("DELETE", "/execution-environments/1", {}, length)).toEqual([204, ""]);
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
