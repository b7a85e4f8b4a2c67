import { PerigeeError } from "#protocol/errors.ts";

export type IsStillAllowedDeps = {
  users: { find(name: string): Promise<{ createdAt: number } | undefined> };
  /** @throws EDGE_NOT_FOUND where it is not granted */
  resolveEdge(user: string, edge: string): Promise<string>;
};

/**
 * May a session that is open go on? Not when its user was removed, also when there is another of that name now, or may
 * not use the edge any more.
 * @param session `began`: ms since 1970
 * @throws what the store says
 */
export async function isStillAllowed(
  { user, edge, began }: { user: string; edge: string; began: number },
  { users, resolveEdge }: IsStillAllowedDeps,
): Promise<boolean> {
  const account = await users.find(user);
  if (!account || account.createdAt > began) return false;
  try {
    await resolveEdge(user, edge);
    return true;
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "EDGE_NOT_FOUND") return false;
    throw error;
  }
}
