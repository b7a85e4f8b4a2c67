import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";

/** The one edge of `npm start`. */
export const EDGE = "em1";
const FIRST_USER = "perigee";

export type Prepared = {
  /** file (0600) that holds the agent's token */
  tokenFile: string;
  /** directory of the agent: journal, volumes, images' records */
  agentData: string;
  /** the user that was made now; `password` is there when it was made up and must be told */
  made?: { name: string; password?: string };
  /** what the operator should know */
  notes: string[];
};

/**
 * Makes what ground and agent need under `data`: directories, the edge, its agent's token, a first user.
 * Safe to repeat, and after dying anywhere in it. Without `user` and `password`, a user is made only when
 * there is none yet.
 * @throws PerigeeError INVALID_PARAMETERS for a user name or password that breaks its rule
 */
export async function prepareData(options: {
  data: string;
  user?: string;
  password?: string;
}): Promise<Prepared> {
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const tokenFile = join(options.data, `agent-${EDGE}.token`);
  const agentData = join(options.data, "agent");
  const store = new SqliteStore(join(options.data, "ledger.sqlite"));
  try {
    const accounts = new Accounts(store);
    await ensureEdge(accounts, tokenFile);
    return { tokenFile, agentData, ...(await ensureUser(accounts, options)) };
  } finally {
    await store.close();
  }
}

async function ensureEdge(accounts: Accounts, tokenFile: string): Promise<void> {
  const known = (await accounts.listEdges()).some((edge) => edge.id === EDGE);
  if (known && (await accounts.edgeOfToken(readToken(tokenFile))) === EDGE) return;
  // Also when we died between making the edge and keeping its token
  const { token } = known ? await accounts.rotateEdgeToken(EDGE) : await accounts.addEdge(EDGE);
  writePrivate(tokenFile, `${token}\n`);
}

async function ensureUser(
  accounts: Accounts,
  { user, password }: { user?: string; password?: string },
): Promise<Pick<Prepared, "made" | "notes">> {
  const users = await accounts.listUsers();
  if (!user && !password && users.length > 0) return { notes: [] };
  const name = user ?? FIRST_USER;
  if (users.some((existing) => existing.name === name)) {
    const same = !password || (await accounts.verifyPassword(name, password));
    return { notes: same ? [] : [`user ${name} exists with another password, which stays as it is`] };
  }
  const chosen = password ?? randomBytes(15).toString("base64url");
  await accounts.addUser(name, chosen, { edges: [EDGE] });
  return { made: { name, ...(!password && { password: chosen }) }, notes: [] };
}

function readToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function writePrivate(path: string, content: string): void {
  const part = `${path}.part`;
  const fd = openSync(part, "w", 0o600);
  try {
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(part, path);
}
