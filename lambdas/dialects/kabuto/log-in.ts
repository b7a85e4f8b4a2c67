import { PerigeeError } from "#protocol/errors.ts";
import { json } from "../../http/json-answer.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { rememberOwner } from "./owner.ts";
import { readParameters, required } from "./parameters.ts";
import { keys, type LoginRecord } from "./records.ts";
import { accountOfSession, endSession, openSession } from "./sessions.ts";

/** Some clients quote a cookie's value. */
const COOKIE = /(?:^|;)\s*session=("?)([A-Za-z0-9_-]{43})\1\s*(?=;|$)/g;

/** Who asks: by the cookie of a log-in, or an access token of Perigee's. @throws UNAUTHORIZED */
export async function authenticate(c: DialectContext, core: DialectCore): Promise<string> {
  for (const cookie of cookiesOf(c)) {
    const account = await accountOfSession(core, cookie);
    if (account) return rememberOwner(c, account);
  }
  return rememberOwner(c, await core.users.ofBearer(c));
}

/** POST /login: the one answer that sets the cookie. */
export async function logIn(c: DialectContext, core: DialectCore): Promise<Response> {
  const { given } = await readParameters(c);
  const { login, password } = required(given, ["login", "password"]);
  const name = login.normalize("NFC").slice(0, 256);
  const alias = (await core.records.get<LoginRecord>(keys.login(name)))?.data;
  const account = await core.users.ofPassword(c, alias?.user ?? name, password);
  // an alias of an account that is gone opens nothing of who has the name now
  if (alias && alias.uid !== account.uid) throw wrong();
  const cookie = await openSession(core, account);
  const secure = core.hosts.isSecure(c) ? "; Secure" : "";
  const headers = { "set-cookie": `session=${cookie}; HttpOnly; Path=/; SameSite=Strict${secure}` };
  return json({ login: "success" }, 200, headers);
}

/** POST /logout: ends the session that the request's cookie is of. */
export async function logOut(c: DialectContext, core: DialectCore): Promise<Response> {
  for (const cookie of cookiesOf(c)) await endSession(core, cookie);
  return json({ logout: "success" });
}

/** Some send a cookie of the same name of another path beside ours. */
function cookiesOf(c: DialectContext): string[] {
  return [...(c.req.header("cookie") ?? "").matchAll(COOKIE)].map(([, , value]) => value!).slice(0, 5);
}

function wrong(): PerigeeError {
  return new PerigeeError("INVALID_CREDENTIALS", "Login or password is wrong");
}
