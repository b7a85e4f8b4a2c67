import { data } from "../api/client.ts";
import type { Command } from "../api/types.ts";
import { learn } from "../live/live.ts";
import { failed } from "./notices.tsx";

/** Holds a command of one's own that waits, or lets it go on; says why where that is refused. */
export async function setHeld(id: string, held: boolean): Promise<void> {
  const verb = held ? "hold" : "release";
  try {
    learn([await data<Command>(`/commands/${encodeURIComponent(id)}/${verb}`, { method: "POST" })]);
  } catch (error) {
    failed(held ? "Hold" : "Release", error);
  }
}
