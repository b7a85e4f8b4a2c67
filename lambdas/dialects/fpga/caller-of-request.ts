import { LIMITS } from "#protocol/limits.ts";
import { PRIORITY } from "#protocol/priority.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { arrived } from "./auth/arrived.ts";
import { type Caller, callerOf } from "./auth/caller.ts";
import { sdkAuthorization } from "./auth/sdk-authorization.ts";
import { isOwn } from "./base-path.ts";
import { partsOf } from "./parts.ts";
import { type Project, projectOf } from "./project.ts";
import { REFUSALS } from "./refusals.ts";

const callers = new WeakMap<DialectContext, Caller>();

/** Who asks. Only a signature is over the body: for anything else it is not read. @throws UNAUTHORIZED, BODY_TOO_LARGE */
export async function authenticate(c: DialectContext, core: DialectCore): Promise<string> {
  const { users, now, hosts } = core;
  if (isOwn(c.req.path)) {
    // an access key makes no others, and is for clients of the contract alone
    const account = await users.ofBearer(c);
    callers.set(c, { account });
    return account.name;
  }
  const isSigned =
    c.req.header("x-auth-token") === undefined &&
    sdkAuthorization(c.req.header("authorization") ?? "") !== undefined;
  const request = await arrived(c, hosts, isSigned ? LIMITS.bodyBytes : undefined);
  const caller = await callerOf(request, { users, now, keys: partsOf(core).keys });
  callers.set(c, caller);
  // what its commands may ask for is not read again
  c.set("priorities", caller.account.priority ?? PRIORITY);
  return caller.account.name;
}

/** Who was authenticated. */
export function callerIn(c: DialectContext): Caller {
  const caller = callers.get(c);
  if (!caller) throw new Error("nobody was authenticated");
  return caller;
}

/** The projects that a caller may use: a key's own one, or one for each edge of the user's. */
export async function projectsOf({ account, project }: Caller, core: DialectCore): Promise<Project[]> {
  if (project) return [project];
  return (await core.users.edges(account)).map((edge) => projectOf(account, edge));
}

/** The project that the path names. @throws 400 Common.0018, the same for whatever is not the caller's */
export async function projectIn(c: DialectContext, core: DialectCore): Promise<Project> {
  const named = c.req.param("project");
  const found = (await projectsOf(callerIn(c), core)).find(({ id }) => id === named);
  if (!found) throw REFUSALS.otherProject();
  return found;
}
