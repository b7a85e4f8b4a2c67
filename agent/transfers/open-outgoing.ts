import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { freeBytes } from "../files/free-space.ts";
import { OutgoingStore } from "./outgoing-store.ts";

/** Opens the directory and the table of content that waits to be sent, and removes what is too old to be sent. */
export function openOutgoing(database: DatabaseSync, data: string, freeFloorBytes: number) {
  const spool = {
    directory: join(data, "outgoing"),
    room: () => freeBytes(data) - freeFloorBytes,
  };
  const outgoing = new OutgoingStore(database, spool.directory);
  outgoing.sweep();
  return { spool, outgoing };
}
