import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { later } from "../background.ts";
import { Backoff } from "../backoff.ts";

/** Images for FPGAs that are here, by user. */
export type Held = { user: string; images: string[] }[];

/** Of the images from id `from` on, up to `to` itself which is not meant, those that are here. */
export type HeldPiece = { from?: string; to?: string; held: Held };

export type HeldDeps = {
  held(): Held;
  send(piece: HeldPiece): Promise<void>;
  /** when the session began, by the ground's clock; undefined: an older ground, which takes one list before any command */
  beganAt?: number | undefined;
  log: Logger;
  /** between tries, once commands are taken */
  backoff?: Backoff;
};

/** After so many the agent starts without having told it: commands must not wait for this. */
const TRIES = 3;
/** Later it is tried about as often as a heartbeat (ms). */
const LATER_MS = 30_000;
/** Every so many of those the log is told again. */
const TELL_TRIES = 60;
/** Images of one request. */
const PIECE = 1000;
/** The ground has no images for FPGAs, or another agent has taken over. */
const NOBODY_ASKS = new Set(["NOT_FOUND", "STALE_EPOCH"]);

/**
 * Tells the ground what the edge holds, once for each start: what is not in the list is lost. The list is made before any
 * command is taken. Where it is not heard then, it is told beside everything else until it is: the ground leaves out what
 * was stored since the session began. Never throws.
 */
export async function tellHeld(deps: HeldDeps, signal: AbortSignal): Promise<void> {
  const { held, send, beganAt, log } = deps;
  const pieces = beganAt === undefined ? [{ held: held() }] : piecesOf(held());
  const isTold = async (tell: (err: unknown) => void): Promise<boolean> => {
    try {
      for (; pieces.length > 0; pieces.shift()) {
        signal.throwIfAborted();
        await send(pieces[0]!);
      }
      return true;
    } catch (err) {
      if (err instanceof PerigeeError && NOBODY_ASKS.has(err.code)) return true;
      tell(err);
      return false;
    }
  };
  const warn = (err: unknown) => log.warn({ err }, "the ground was not told which FPGA images are here");
  const first = new Backoff();
  while (!signal.aborted) {
    if (await isTold(warn)) return;
    if (first.tries + 1 >= TRIES) break;
    await first.wait(signal);
  }
  if (beganAt === undefined) return;
  const { backoff = new Backoff(LATER_MS / 10, LATER_MS) } = deps;
  later("telling which FPGA images are here", log, async () => {
    do await backoff.wait(signal);
    while (!signal.aborted && !(await isTold((err) => backoff.tries % TELL_TRIES === 0 && warn(err))));
  });
}

/** Pieces by ranges of ids, of all users at once: together they mean every id. */
function piecesOf(held: Held): HeldPiece[] {
  const all = held
    .flatMap(({ user, images }) => images.map((image) => ({ user, image })))
    .sort((one, other) => (one.image < other.image ? -1 : one.image > other.image ? 1 : 0));
  const pieces: HeldPiece[] = [];
  let from: string | undefined;
  for (let at = 0; at === 0 || at < all.length; at += PIECE) {
    const to = all[at + PIECE]?.image;
    const users = new Map<string, string[]>();
    for (const { user, image } of all.slice(at, at + PIECE)) {
      const images = users.get(user) ?? [];
      images.push(image);
      users.set(user, images);
    }
    pieces.push({
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      held: [...users].map(([user, images]) => ({ user, images })),
    });
    from = to;
  }
  return pieces;
}
