import { BoundedMap } from "#protocol/bounded-map.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { Account } from "../../auth/accounts.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { openUser } from "./settings.ts";
import { PoseidonTokens } from "./tokens.ts";

/** Who asks, since when there is this user (ms since 1970), and the edge that is meant. */
export type Caller = { user: string; since: number; edge: string };

/** A header of a request by its lower-case name. */
export type Header = (name: string) => string | undefined;

/** accounts by uid that have nothing of an earlier one of their name */
const settled = new BoundedMap<string, Promise<void>>(10_000);

const LOCAL = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d*)?$/i;

/** The user of a request and, in the context as `edge`, the edge that is meant. @throws UNAUTHORIZED, 403, 500 */
export async function authenticate(c: DialectContext, core: DialectCore): Promise<string> {
  const { user, since, edge } = await callerOf(core, (name) => c.req.header(name));
  c.set("userSince", since);
  c.set("edge", edge);
  return user;
}

/**
 * Who asks: the user of the header `Poseidon-Token`, or in open mode always the same one.
 * @throws UNAUTHORIZED; 403 for a request of open mode from elsewhere; 500 UNKNOWN where no edge is meant
 */
export async function callerOf(core: DialectCore, header: Header): Promise<Caller> {
  const open = openUser(core);
  if (open !== undefined) {
    checkLocal(header);
    const account = await core.users.find(open);
    if (!account) throw unauthorized();
    await settle(core, account);
    return {
      user: open,
      since: account.createdAt,
      edge: await edgeOf(core, open, header("perigee-edge")),
    };
  }
  const token = await new PoseidonTokens(core.records).find(header("poseidon-token") ?? "");
  if (!token) throw unauthorized();
  const account = await core.users.find(token.user, ({ uid }) => uid === token.uid);
  if (account?.uid !== token.uid) throw unauthorized();
  await settle(core, account);
  // a grant that was revoked ends the tokens that name its edge
  const own = token.edge === undefined ? undefined : await resolved(core, token.user, token.edge);
  if (token.edge !== undefined && own === undefined) throw unauthorized();
  return {
    user: token.user,
    since: account.createdAt,
    edge: await edgeOf(core, token.user, header("perigee-edge"), own),
  };
}

/**
 * Environments go by their user's name: what an earlier user of that name had left is removed before the first request,
 * for the janitor may not have come by yet.
 */
function settle(core: DialectCore, { name, uid, createdAt }: Account): Promise<void> | undefined {
  const known = settled.get(uid);
  if (known || !core.runners) return known;
  const done = core.runners.removed(name, undefined, createdAt);
  settled.set(uid, done);
  done.catch(() => settled.delete(uid));
  return done;
}

/**
 * In open mode only what this machine itself asks is answered: any web page could drive it otherwise.
 * @throws 403
 */
export function checkLocal(header: Header): void {
  const host = header("host") ?? "";
  if (!LOCAL.test(host) || isOtherOrigin(header)) throw refusal(403, TEXTS.openMode);
}

/** Does a browser's page of another host ask? */
function isOtherOrigin(header: Header): boolean {
  const origin = header("origin");
  if (origin === undefined) return false;
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)$/i.exec(origin) ?? [];
  return host?.toLowerCase() !== (header("host") ?? "").toLowerCase();
}

async function edgeOf(
  core: DialectCore,
  user: string,
  named: string | undefined,
  own?: string,
): Promise<string> {
  const meant = named ? await resolved(core, user, named) : undefined;
  const edge = meant ?? own ?? (await resolved(core, user, undefined));
  if (edge === undefined) throw refusal(500, "no edge is granted to you, or several and none is named");
  return edge;
}

/** The edge, when the user may use it. */
async function resolved(core: DialectCore, user: string, edge: string | undefined) {
  try {
    return await core.resolveEdge(user, edge);
  } catch (error) {
    if (error instanceof PerigeeError && /^(?:EDGE_NOT_FOUND|INVALID_PARAMETERS)$/.test(error.code))
      return undefined;
    throw error;
  }
}

function unauthorized(): PerigeeError {
  return new PerigeeError("UNAUTHORIZED", "The header Poseidon-Token has no valid token");
}
