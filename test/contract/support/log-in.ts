import { Client } from "./client.ts";
import type { Credentials } from "./target.ts";

/** A client with the user's token. @throws Error when the deployment refuses the log-in */
export async function logIn(url: string, who: Credentials): Promise<Client> {
  const answer = await new Client(url).form("/auth/", { username: who.name, password: who.password });
  if (answer.status !== 200) throw new Error(`log-in of ${who.name}: ${answer.status} ${answer.text}`);
  return new Client(url, answer.json.access);
}
