import type { Command } from "../../../ledger/command.ts";
import type { Write } from "../../../ports/ledger-store.ts";
import type { OwnRecords } from "../../own-records.ts";
import { keys } from "../images/image-record.ts";

type AgentLogRecord = { text: string };
type Of = { project: string; image: string };

/** Characters that are kept. */
const MOST = 65_536;

/** Keeps what an agent told of an image's transfer: it is in the command's result, or in what it failed with. */
export function agentLogWrites({ project, image }: Of, { result, failure }: Command): Write[] {
  const text = (result as { log?: unknown } | null | undefined)?.log ?? failure?.data?.log;
  if (typeof text !== "string" || text === "") return [];
  const data: AgentLogRecord = { text: text.slice(-MOST) };
  return [{ put: { ...keys.agentLog(project, image), data } }];
}

/** Empty where no agent has told anything. */
export async function findAgentLog(records: OwnRecords, { project, image }: Of): Promise<string> {
  return (await records.get<AgentLogRecord>(keys.agentLog(project, image)))?.data.text ?? "";
}
