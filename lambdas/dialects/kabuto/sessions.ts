import { randomBytes } from "node:crypto";
import type { Account } from "../../auth/accounts.ts";
import { sha256 } from "../../auth/keys.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import { keys, type SessionRecord } from "./records.ts";

const SESSION_MS = 30 * 24 * 3600_000;
const MOST_PER_USER = 50;

type Deps = Pick<DialectCore, "records" | "users" | "now">;

/** Opens a session of a user; the oldest over the bound end. @returns what the client's cookie holds */
export async function openSession({ records, now }: Deps, account: Account): Promise<string> {
  const cookie = randomBytes(32).toString("base64url");
  const hash = sha256(cookie);
  const { name: user, uid, generation } = account;
  const at = now();
  const expiresAt = at + SESSION_MS;
  const data: SessionRecord = { user, uid, generation, at };
  await records.transact([
    { put: { ...keys.session(hash), expiresAt, data } },
    { put: { ...keys.userSession(uid, at, hash), expiresAt, data: {} } },
  ]);
  const all = await records.query({ pk: uid, prefix: "session#", limit: MOST_PER_USER + 20 });
  const over = all.slice(0, Math.max(0, all.length - MOST_PER_USER)).slice(0, 10);
  if (over.length > 0) await records.transact(over.flatMap(({ sk }) => endWrites(uid, sk)));
  return cookie;
}

/** Whose session it is, if it has not ended: by itself, by a log-out, a new password or the user's removal. */
export async function accountOfSession(
  { records, users, now }: Deps,
  cookie: string,
): Promise<Account | undefined> {
  const hash = sha256(cookie);
  const session = await users.session(
    hash,
    async () => (await records.get<SessionRecord>(keys.session(hash)))?.data,
  );
  if (!session || now() - session.at >= SESSION_MS) return undefined;
  const { user, uid, generation } = session;
  const isMeant = (account: Account) => account.uid === uid && account.generation === generation;
  const account = await users.find(user, isMeant);
  return account && isMeant(account) ? account : undefined;
}

export async function endSession({ records, users }: Deps, cookie: string): Promise<void> {
  const hash = sha256(cookie);
  users.forgetSession(hash);
  const item = await records.get<SessionRecord>(keys.session(hash));
  if (!item) return;
  const { uid, at } = item.data;
  await records.transact([{ delete: keys.session(hash) }, { delete: keys.userSession(uid, at, hash) }]);
}

/** The hash of a session's cookie, from the key under which its user has it. */
export function hashIn(sk: string): string | undefined {
  return sk.startsWith("session#") ? sk.split("#")[2] : undefined;
}

function endWrites(uid: string, sk: string): Write[] {
  return [{ delete: { pk: uid, sk } }, { delete: keys.session(hashIn(sk)!) }];
}
