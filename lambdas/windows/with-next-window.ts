import { windowsAt } from "#protocol/contact-window.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { StoredWindows } from "./stored-windows.ts";
import { windowView } from "./window-view.ts";

/**
 * A refusal for lack of contact, with the window in which contact is expected: `next_window` is the one that is open
 * now, else the next. Before it opens `Retry-After` ends at its start. Any other error, and one of an edge without
 * such a window, stays as it is.
 */
export async function withNextWindow(
  error: unknown,
  edge: string,
  { windows, now }: { windows: Pick<StoredWindows, "plan">; now: () => number },
): Promise<unknown> {
  if (!(error instanceof PerigeeError) || error.code !== "EM_UNREACHABLE") return error;
  // A plan is a hint: where it cannot be read, the refusal is told without it.
  const plan = await windows.plan(edge).catch(() => undefined);
  const at = now();
  const { present, next } = windowsAt(plan?.windows ?? [], at);
  const window = present ?? next;
  if (!window) return error;
  const data = {
    ...error.data,
    next_window: windowView(window, at),
    ...(window.start > at && { retryAfter: (window.start - at) / 1000 }),
  };
  return new PerigeeError(error.code, error.message, { data, cause: error.cause });
}
