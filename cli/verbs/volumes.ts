import type { Command } from "commander";
import { settle } from "../follow.ts";
import { bytes, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { registerUnikVolumes } from "./unik-volumes.ts";

type Volume = { name: string; size: unknown; created: unknown };

/** `perigee volumes` and `perigee volumes rm`. */
export function registerVolumes(program: Command): void {
  const volumes = program
    .command("volumes")
    .description("list your volumes")
    .action(action<[], object>(list));
  volumes
    .command("rm")
    .description("delete a volume with everything in it")
    .argument("<name>")
    .action(action<[string], object>(remove));
  registerUnikVolumes(volumes);
}

async function list({ client, output }: Session): Promise<undefined> {
  const patience = client.patience();
  const answer = await client.whenFree({ method: "GET", path: "/em/pvc/list" }, patience);
  const body = await settle(client, answer, patience, (command) => ({
    message: "Successfully listed volumes",
    data: command.result?.volumes ?? [],
  }));
  output.result(body, () => {
    const found = (body.data ?? []) as Volume[];
    if (found.length === 0) return "You have no volumes";
    const rows = found.map(({ name, size, created }) => [name, bytes(size), time(created)]);
    return output.table(["VOLUME", "SIZE", "CREATED"], rows, { right: [1], cut: [0] });
  });
}

async function remove({ client, output }: Session, [name]: [string]): Promise<undefined> {
  const patience = client.patience();
  const call = { method: "POST", path: "/em/pvc/delete", json: { pvc_name: name } } as const;
  const answer = await client.whenFree(call, patience);
  const body = await settle(client, answer, patience, () => ({ message: "Volume deleted successfully" }));
  output.result(body, () => `Deleted volume ${safe(name)}`);
}
