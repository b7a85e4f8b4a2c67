import { command, data } from "../api/client.ts";
import type { Again } from "../format/again.ts";
import { operationWord } from "../format/operations.ts";
import { start } from "./notices.tsx";

/** Asks for a command once more. @returns its id, or nothing when it was said why not */
export function runAgain(operation: string, { method, path, fields }: Again): Promise<string | undefined> {
  return start(`${operationWord(operation)} again`, async () => {
    if (method === "POST") return command(path, fields);
    const headers = { prefer: "respond-async" };
    return (await data<{ command_id: string }>(`${path}?${new URLSearchParams(fields)}`, { headers }))
      .command_id;
  });
}
