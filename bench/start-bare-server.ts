import { join } from "node:path";
import { Child } from "../scripts/child.ts";

/** Starts the bare server on `directory`; `url` is where it answers. */
export async function startBareServer(directory: string): Promise<{ url: string; child: Child }> {
  const program = join(import.meta.dirname, "bare-server.ts");
  const child = await Child.start("bare", [program], { ...process.env, BARE_DIRECTORY: directory }, () => {});
  const { url } = await child.ready;
  return { url: String(url), child };
}
