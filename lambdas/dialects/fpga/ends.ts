import type { Command } from "../../ledger/command.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import type { FpgaFormat } from "./checks/content-reader.ts";
import { Images, type StoreEnd } from "./images/images.ts";
import { agentLogWrites } from "./log/agent-log.ts";
import { type DeletionRecord, type StoreRecord, workKeys } from "./store/work-records.ts";

/** What this dialect writes with the end of a command: of an image's store, or its deletion. */
export async function onEnd(records: OwnRecords, command: Command): Promise<Write[]> {
  const images = new Images(records);
  if (command.operation === "fpga.store") {
    // its record stays until what is staged of it has gone
    const store = await records.get<StoreRecord>(workKeys.store(command.id));
    if (!store) return [];
    const { project, image } = store.data;
    const writes = await images.stored(project, image, endOf(store.data, command));
    return [...writes, ...(writes.length > 0 ? agentLogWrites({ project, image }, command) : [])];
  }
  const deletion = await records.get<DeletionRecord>(workKeys.deletion(command.id));
  // one that did not succeed is asked for again (StoreWork)
  if (!deletion || command.state !== "succeeded") return [];
  const { project, image, forgotten } = deletion.data;
  const done: Write = { delete: workKeys.deletion(command.id) };
  return forgotten ? [done] : [done, ...(await images.deleted(project, image))];
}

/** Codes of a failure that have a word of this API's own. */
const WORDS: Readonly<Record<string, string>> = {
  STORAGE_FULL: "STORAGE_FULL",
  QUOTA_EXCEEDED: "QUOTA_EXCEEDED",
  CHECKSUM_MISMATCH: "DIGEST_MISMATCH",
  EXPIRED: "EXPIRED",
  DEADLINE_EXCEEDED: "EXPIRED",
  CANCELLED: "CANCELLED",
  INTERRUPTED: "ABANDONED",
};

function endOf({ checked }: StoreRecord, { state, failure }: Command): StoreEnd {
  if (state === "succeeded" && checked) {
    const { sha256, format } = checked.input;
    const { note } = checked;
    return { status: "active", sha256, format: format as FpgaFormat, ...(note !== undefined && { note }) };
  }
  if (state === "cancelled") return error("CANCELLED: the command was cancelled");
  if (state === "expired") return error("EXPIRED: the edge did not take the file in time");
  if (failure?.data?.fpga === "refused") return error(failure.message);
  return error(
    `${WORDS[failure?.code ?? ""] ?? "INTERNAL"}: ${failure?.message ?? "it could not be stored"}`,
  );
}

const error = (message: string): StoreEnd => ({ status: "error", message });
