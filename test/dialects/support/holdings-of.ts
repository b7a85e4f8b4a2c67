import type { Ground } from "#lambdas/ground.ts";

type Told = { status: number; items: Record<string, unknown>[] };

/** What `GET /edge/holdings` answers a user. */
export async function holdingsOf({ app, accounts, dialects }: Ground, user: string): Promise<Told> {
  const account = (await accounts.getUser(user))!;
  const { token } = await dialects[0]!.core.users.accessToken(account);
  const answer = await app.request("/edge/holdings", { headers: { authorization: `Bearer ${token}` } });
  const { data } = (await answer.json()) as { data?: { items: Told["items"] } };
  return { status: answer.status, items: data?.items ?? [] };
}
