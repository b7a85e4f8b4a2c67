import type { DialectCore } from "#lambdas/dialects/core.ts";
import type { DialectContext } from "#lambdas/dialects/dialect.ts";

/** Each check costs a password hash, and this is a test's dialect: what was right stays right. */
const checked = new WeakMap<DialectCore, Map<string, string>>();

/** Basic, with an answer of its own for who sends nothing. */
export async function authenticate(c: DialectContext, core: DialectCore): Promise<string | Response> {
  const [, credentials] = /^basic +(\S+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
  if (credentials === undefined) return c.text("who?", 401, { "www-authenticate": 'Basic realm="tiny"' });
  const known = checked.get(core)?.get(credentials);
  if (known !== undefined) return known;
  const [name = "", ...password] = Buffer.from(credentials, "base64").toString().split(":");
  await core.users.ofPassword(c, name, password.join(":"));
  checked.set(core, new Map(checked.get(core)).set(credentials, name));
  return name;
}
