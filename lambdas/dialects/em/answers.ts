import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { Command } from "../../ledger/command.ts";

const JSON_HEADERS = { "content-type": "application/json", ...SAFE_HEADERS };

/** A JSON answer, 200 unless said otherwise. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { ...JSON_HEADERS, ...headers } });
}

/** 202: the command is under way, and where to ask for it. */
export function acceptedAnswer(command: Command): Response {
  const { id, state, position } = command;
  return json({ message: "Command accepted", data: { command_id: id, state, position } }, 202, {
    location: `/commands/${id}`,
  });
}

/** UTC in whole seconds: `2025-11-20T12:31:12Z`. */
export function utcSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
