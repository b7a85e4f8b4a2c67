import type { Staging } from "../ports/staging.ts";

const PAGE = 1000;

/** Bytes in staging under `<root>/<user>/`, by the command that they are of: `<root>/<user>/<pod>/<command>/…`. */
export async function stagedByCommand(
  staging: Staging,
  root: "uplink" | "downlink",
  user: string,
): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  const prefix = `${root}/${user}/`;
  for (let after: string | undefined; ; ) {
    const page = await staging.list(prefix, { limit: PAGE, ...(after && { after }) });
    for (const { key, size } of page) {
      const command = key.slice(prefix.length).split("/")[1] ?? "";
      bytes.set(command, (bytes.get(command) ?? 0) + size);
    }
    if (page.length < PAGE) return bytes;
    after = page.at(-1)!.key;
  }
}
