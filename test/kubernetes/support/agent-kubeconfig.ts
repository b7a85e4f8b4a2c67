import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubectl } from "./kubectl.ts";

/** A kubeconfig in `directory` with the rights of the agent's service account, which has to be there. @returns its path */
export async function agentKubeconfig(directory: string): Promise<string> {
  const { text: token } = await kubectl(["-n", "perigee-system", "create", "token", "perigee-agent"]);
  const own = JSON.parse((await kubectl(["config", "view", "--raw", "--flatten", "-o", "json"])).text);
  own.users[0].user = { token };
  const file = join(directory, "agent.kubeconfig");
  writeFileSync(file, JSON.stringify(own), { mode: 0o600 });
  return file;
}
