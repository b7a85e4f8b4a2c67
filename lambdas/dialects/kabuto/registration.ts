import { randomBytes, randomUUID } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { USER } from "#protocol/names.ts";
import { json } from "../../http/json-answer.ts";
import { ConditionFailed, type Item, type Write } from "../../ports/ledger-store.ts";
import { optimistically } from "../../ports/optimistically.ts";
import { KEPT } from "../../ports/staging-key.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { loginName } from "./login-name.ts";
import { atMost, readParameters, required } from "./parameters.ts";
import { keys, type LoginRecord, type RegistrationRecord } from "./records.ts";
import { isRefusal, refusal, TEXTS } from "./refusals.ts";
import { mostRegistered, registrationEdges, registrationOf } from "./settings.ts";

const MOST_PER_HOUR = 20;
const HOUR_MS = 3600_000;

/** POST /register: makes an account, under the login or, where that is no user name of Perigee's, another name. */
export async function register(c: DialectContext, core: DialectCore): Promise<Response> {
  const { given } = await readParameters(c);
  const asked = required(given, ["login", "password", "email"]);
  const login = loginName(asked.login);
  const password = atMost("password", asked.password, 256);
  const email = atMost("email", asked.email, 256);
  if (registrationOf(core) === "closed") return failed(TEXTS.noRegistration);
  if (!(await countAttempt(core, core.users.address(c)))) return failed(TEXTS.tooManyRegistrations);
  if (await core.users.stored(login)) return failed(TEXTS.loginInUse);
  const isFree = USER.test(login) && !(await wasUsed(core, login));
  const user = isFree ? login : `u${randomBytes(10).toString("hex")}`;
  const token = randomUUID();
  const beside = (uid: string) =>
    loginWrites(core, { user, uid }, { login, email, token, confirmed: false, at: core.now() });
  try {
    await core.users.register(user, password, { edges: registrationEdges(core), beside });
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    if (error.code === "ALREADY_EXISTS") return failed(TEXTS.loginInUse);
    if (isRefusal(error)) return failed(error.message);
    throw error;
  }
  return json({ status: "success", token });
}

/** GET /register/confirm/<login>/<token> */
export async function confirm(c: DialectContext, core: DialectCore): Promise<Response> {
  const login = (c.req.param("login") ?? "").normalize("NFC");
  const token = c.req.param("token");
  const known = await core.records.get<LoginRecord>(keys.login(login || "-"));
  const confirmed =
    known &&
    (await optimistically(async () => {
      const item = await core.records.get<RegistrationRecord>(keys.account(known.data.uid));
      if (item?.data.token !== token) return false;
      const data = { ...item!.data, confirmed: true };
      if (!item!.data.confirmed) {
        await core.records.transact([{ put: { ...keys.account(known.data.uid), data }, if: item!.rev }]);
      }
      return true;
    }));
  return json({ registration: confirmed ? "success" : "user or token not found" });
}

/**
 * Was it the name of an account that is gone? Volumes, images, commands and logs go by names: who registers has another
 * one then, and the login is its alias.
 */
async function wasUsed({ users, commands, staging }: DialectCore, name: string): Promise<boolean> {
  if (await users.isFormer(name)) return true;
  // of accounts that an earlier version removed
  const [newest, ...objects] = await Promise.all([
    commands.commands(name, { limit: 1 }),
    ...["uplink", "downlink", KEPT].map((root) => staging.list(`${root}/${name}/`, { limit: 1 })),
  ]);
  return newest.length > 0 || objects.some((some) => some.length > 0);
}

/** What makes a login of an account. @throws a refusal */
async function loginWrites(
  core: DialectCore,
  of: LoginRecord,
  registration: RegistrationRecord,
): Promise<Write[]> {
  const { records } = core;
  const { login, email } = registration;
  const [logins, emails, counted] = await Promise.all([
    records.get<LoginRecord>(keys.login(login)),
    records.get<LoginRecord>(keys.email(email)),
    records.get<{ count: number }>(keys.registrations("accounts")),
  ]);
  if ((await isTaken(core, logins)) || (await isTaken(core, emails))) throw refusal(TEXTS.loginInUse);
  const count = counted?.data.count ?? 0;
  if (count >= mostRegistered(core)) throw refusal(TEXTS.tooManyRegistrations);
  return records.writes([
    { put: { ...keys.login(login), data: of }, if: logins?.rev ?? 0 },
    { put: { ...keys.email(email), data: of }, if: emails?.rev ?? 0 },
    { put: { ...keys.registrations("accounts"), data: { count: count + 1 } }, if: counted?.rev ?? 0 },
    { put: { ...keys.account(of.uid), data: registration }, if: 0 },
  ]);
}

/** Is what it stands for an account that is still there? */
async function isTaken(core: DialectCore, item: Item<LoginRecord> | undefined): Promise<boolean> {
  if (!item) return false;
  return (await core.users.stored(item.data.user))?.uid === item.data.uid;
}

/** @returns whether the address may register once more now */
function countAttempt({ records, now }: DialectCore, address: string): Promise<boolean> {
  return optimistically(async () => {
    const item = await records.get<{ times: number[] }>(keys.registrations(address));
    const times = (item?.data.times ?? []).filter((at) => at > now() - HOUR_MS && at <= now());
    if (times.length >= MOST_PER_HOUR) return false;
    const data = { times: [...times, now()] };
    const put = { ...keys.registrations(address), expiresAt: now() + HOUR_MS, data };
    await records.transact([{ put, if: item?.rev ?? 0 }]);
    return true;
  }).catch((error: unknown) => {
    // a flood from one address
    if (error instanceof ConditionFailed) return false;
    throw error;
  });
}

function failed(error: string): Response {
  return json({ status: "fail", error });
}
