import type { LiveRequest } from "#protocol/live.ts";
import type { LiveSession } from "../../live/live-sessions.ts";
import type { Runner } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import { goneSignal } from "./gone-signal.ts";
import type { PoseidonCore } from "./parts.ts";

/** ms that one file operation may take */
const OPERATION_MS = 60 * 60_000;

/** Opens a session for a file operation, which ends with the client's connection or after an hour. */
export async function fileSession(
  c: DialectContext,
  core: PoseidonCore,
  { user, edge, id }: Runner,
  request: LiveRequest,
): Promise<LiveSession> {
  const touched = core.runners.touched(user, id);
  // its edge is asked meanwhile
  const session = core.live.sessions.open({ user, edge, target: { runner: id }, request });
  const close = () => session.close();
  const gone = goneSignal(c);
  gone.addEventListener("abort", close);
  // while it waited for its turn
  if (gone.aborted) close();
  const timer = setTimeout(close, OPERATION_MS);
  void session.ended.then(() => clearTimeout(timer));
  await touched.catch((error: unknown) => {
    close();
    throw error;
  });
  return session;
}
