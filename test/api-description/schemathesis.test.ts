import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { apiDocument } from "#lambdas/docs/document.ts";
import { EDGE } from "../../scripts/prepare-data.ts";
import { ensureVenv } from "../../scripts/python/ensure-venv.ts";
import { Client } from "../contract/support/client.ts";
import { share } from "../support/long-run.ts";
import { type OwnDeployment, startOwnDeployment } from "../support/own-deployment.ts";
import { program } from "../support/programs.ts";
import { stage } from "./support/stage.ts";

/**
 * The served document against a property-based tester: whatever it asks, by examples, at the bounds, at random and
 * along the links, is answered with a status, headers, a type and a body that the document names.
 */
const HOOKS = join(import.meta.dirname, "support/hooks.py");
const CONFIG = join(import.meta.dirname, "support/schemathesis.toml");
const PACKAGES = join(import.meta.dirname, "support/python-packages.txt");
/** What the contract takes although the document does not offer it (null, other fields), and refuses by what there is. */
const NOT_CHECKED = ["negative_data_rejection", "positive_data_acceptance"];
/**
 * Kabuto's, by its contract: what is unknown or deleted is 200 with `{}`, and a wrong cookie beside the valid token that
 * every request of the tester carries is no wrong log-in.
 */
const KABUTO = "Kabuto";
const NOT_KABUTOS = ["ignored_auth", "use_after_free", "ensure_resource_availability"];
/** What it answers needs runners and its own token: test/contract/poseidon asks it. */
const POSEIDON = "Poseidon";
/** And this one needs a runner, which only Poseidon's API hands out: it is asked, and nothing there is found. */
const NEEDS_RUNNER = "execInRunner";
const EXAMPLES = share(3, 1);
/** Sequences of calls along the links. */
const SEQUENCES = share(12, 8);
const SEED = 20_260_101;

let venv: string;
let deployment: OwnDeployment;
let directory: string;
beforeAll(async () => {
  venv = await ensureVenv("schemathesis", PACKAGES, (line) => console.error(line));
  // a bundle has the pages beside it
  deployment = await startOwnDeployment({}, { ground: program("server"), agent: program("agent") });
  directory = mkdtempSync(join(tmpdir(), "perigee-api-"));
}, 20 * 60_000);
afterAll(async () => {
  await deployment?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

test("the ground answers as its document says, and every route was reached", {
  timeout: 15 * 60_000,
}, async () => {
  const { url, user } = deployment;
  const credentials = { username: user.name, password: user.password };
  const { access, refresh } = (await new Client(url).form("/auth/", credentials)).json;
  const seen = join(directory, "seen");
  const env = {
    PERIGEE_IDS: JSON.stringify({
      ...(await stage(new Client(url, access))),
      putWindows: await planEdge(deployment),
    }),
    PERIGEE_SEEN: seen,
    PERIGEE_USER: user.name,
    PERIGEE_PASSWORD: user.password,
    PERIGEE_REFRESH: refresh,
  };
  const most = await schemathesis(
    url,
    access,
    env,
    [`--exclude-tag=${KABUTO}`, `--exclude-tag=${POSEIDON}`],
    NOT_CHECKED,
  );
  expect(most.code, most.output).toBe(0);
  const kabuto = await schemathesis(
    url,
    access,
    env,
    [`--include-tag=${KABUTO}`],
    [...NOT_CHECKED, ...NOT_KABUTOS],
  );
  expect(kabuto.code, kabuto.output).toBe(0);
  const answered = new Set(readFileSync(seen, "utf8").split("\n"));
  const missed = (await operations()).filter(
    (operation) => ![200, 201, 202, 206].some((ok) => answered.has(`${operation} ${ok}`)),
  );
  expect(missed, most.output).toEqual([]);
  expect(most.output).toMatch(/API Links: +[1-9]\d* covered/);
});

/** An edge without an agent, of whose windows the user may make a plan. */
async function planEdge({ data, user }: OwnDeployment): Promise<string> {
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  try {
    const accounts = new Accounts(store);
    await accounts.addEdge("planned");
    await accounts.grant("planned", user.name);
    await accounts.setDefaultEdge(user.name, EDGE);
    await accounts.setOperator(user.name, true);
  } finally {
    await store.close();
  }
  return "planned";
}

/** All but the document itself, which the tester reads and then leaves out. */
async function operations(): Promise<string[]> {
  const document = (await apiDocument(DIALECTS)) as {
    paths: Record<string, Record<string, { tags?: string[]; operationId?: string }>>;
  };
  const { "/openapi.json": _, ...paths } = document.paths;
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([, { tags, operationId }]) => !tags?.includes(POSEIDON) && operationId !== NEEDS_RUNNER)
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
}

async function schemathesis(
  url: string,
  token: string,
  env: Record<string, string>,
  tags: readonly string[],
  notChecked: readonly string[],
) {
  const config = join(directory, "schemathesis.toml");
  const sequences = `[phases.stateful.generation]\nmax-examples = ${SEQUENCES}\n`;
  writeFileSync(config, `${readFileSync(CONFIG, "utf8")}\n${sequences}`);
  const args = [
    `--config-file=${config}`,
    "run",
    `${url}/openapi.json`,
    "--checks=all",
    ...tags,
    `--exclude-checks=${notChecked.join(",")}`,
    `--max-examples=${EXAMPLES}`,
    `--seed=${SEED}`,
    "--generation-database=none",
    "--request-timeout=180",
    "--suppress-health-check=all",
    "--no-color",
    `--header=Authorization: Bearer ${token}`,
  ];
  const child = spawn(join(venv, "bin/schemathesis"), args, {
    cwd: directory,
    env: { ...process.env, ...env, SCHEMATHESIS_HOOKS: HOOKS },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  return { code, output };
}
