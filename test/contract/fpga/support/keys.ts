import { bearer } from "./objects.ts";
import type { User } from "./session.ts";

export type Key = { accessKey: string; secret: string };

/** An access key for the user's project. */
export async function makeKey(user: User): Promise<Key> {
  const answer = await user.ask("POST", "/fpga/keys", { headers: bearer(user) });
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  const { data } = JSON.parse(answer.text) as { data: { access_key: string; secret_key: string } };
  return { accessKey: data.access_key, secret: data.secret_key };
}

export async function revokeKey(user: User, { accessKey }: Pick<Key, "accessKey">): Promise<number> {
  return (await user.ask("DELETE", `/fpga/keys/${accessKey}`, { headers: bearer(user) })).status;
}
