import { ask } from "../api/client.ts";
import type { Command } from "../api/types.ts";
import { failed } from "./notices.tsx";
import { save } from "./save.ts";

/** The bytes that a command brought down. @throws ApiError */
export async function contentOf({ command_id: id }: Command): Promise<Blob> {
  return (await ask(`/commands/${encodeURIComponent(id)}/content`)).blob();
}

export async function downloadContent(command: Command): Promise<void> {
  try {
    save(await contentOf(command), fileName(command));
  } catch (error) {
    failed("Download", error);
  }
}

function fileName({ result = {} }: Command): string {
  const name = typeof result.name === "string" && result.name ? result.name : "download";
  return result.kind === "directory" ? `${name}.${result.archive ?? "tar"}` : name;
}
