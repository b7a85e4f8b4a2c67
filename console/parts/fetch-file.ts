import { data } from "../api/client.ts";
import type { Command } from "../api/types.ts";
import { ended } from "../live/ended.ts";
import { refresh } from "../live/live.ts";
import { failed, notify } from "./notices.tsx";

/** Brings a file down to the ground. @returns the command that did it, or nothing when it was said why not */
export async function fetchFile(volume: string, path: string): Promise<Command | undefined> {
  try {
    const query = new URLSearchParams({ pod_name: volume, filepath: path });
    const headers = { prefer: "respond-async" };
    const { command_id: id } = await data<{ command_id: string }>(`/em/files/downlink?${query}`, { headers });
    await refresh(id);
    const done = await ended(id);
    if (done.state === "succeeded") return done;
    notify("critical", `${path}: ${done.error?.message ?? done.state}`, id);
  } catch (error) {
    failed(path, error);
  }
  return undefined;
}
