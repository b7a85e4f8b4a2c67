import { data } from "../api/client.ts";
import type { Command } from "../api/types.ts";
import { learn } from "../live/live.ts";
import { failed } from "./notices.tsx";

/** Asks for the end of a command; says why where that is refused. */
export async function cancel(id: string): Promise<void> {
  try {
    learn([await data<Command>(`/commands/${encodeURIComponent(id)}/cancel`, { method: "POST" })]);
  } catch (error) {
    failed("Cancel", error);
  }
}
