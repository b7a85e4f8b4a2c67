import { statfsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { OutgoingStore } from "./outgoing-store.ts";

/** Opens the directory and the table of content that waits to be sent, and removes what is too old to be sent. */
export function openOutgoing(database: DatabaseSync, data: string, freeFloorBytes: number) {
  const spool = {
    directory: join(data, "outgoing"),
    room: () => {
      const { bavail, bsize } = statfsSync(data);
      return bavail * bsize - freeFloorBytes;
    },
  };
  const outgoing = new OutgoingStore(database, spool.directory);
  outgoing.sweep();
  return { spool, outgoing };
}
