import type { Client } from "./client.ts";
import { expectData } from "./expectations.ts";

export type Entry = {
  type: string;
  name: string;
  size: string;
  time: string;
  hash?: number | null;
  contents?: Entry[];
};

/** The entries of a volume. */
export async function list(client: Client, volume: string): Promise<Entry[]> {
  return expectData(await client.get("/em/files/list", { pod_name: volume }), "Successfully listed files");
}

/** Paths of all files of a volume, sorted; of directories only the empty ones, with a slash at their end. */
export async function paths(client: Client, volume: string): Promise<string[]> {
  const walk = (entries: Entry[], prefix: string): string[] =>
    entries.flatMap((entry) => {
      const path = `${prefix}${entry.name}`;
      if (entry.type !== "directory") return [path];
      return entry.contents?.length ? walk(entry.contents, `${path}/`) : [`${path}/`];
    });
  return walk(await list(client, volume), "").sort();
}
