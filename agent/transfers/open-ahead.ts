import { join } from "node:path";
import { freeBytes } from "../files/free-space.ts";
import { AheadStore } from "./ahead-store.ts";

/** Opens the directory of what has arrived ahead of gaps, and removes what is too old to go on with. */
export function openAhead(data: string, freeFloorBytes: number): AheadStore {
  const room = () => freeBytes(data) - freeFloorBytes;
  const ahead = new AheadStore({ directory: join(data, "ahead"), room });
  ahead.sweep();
  return ahead;
}
