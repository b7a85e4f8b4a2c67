import type { Command } from "../api/types.ts";
import { dialectWord } from "../format/dialects.ts";
import { operationWord, subject } from "../format/operations.ts";
import { commandStatus } from "../format/status.ts";
import { to } from "../route.ts";
import { Ago, Lasts } from "./age.tsx";
import { StatusMark } from "./status-mark.tsx";

/** A command in one line: state, what, on what, since when and how long. */
export function CommandRow({ command, current }: { command: Command; current?: boolean }) {
  const { state } = command;
  const about = subject(command.input);
  return (
    <a
      class="row command-row"
      href={to("commands", command.command_id)}
      aria-current={current ? "true" : undefined}
    >
      <StatusMark status={commandStatus(command)} busy={state === "running"} />
      <span class={`row-main${command.lane !== "em" ? " tagged" : ""}`}>
        <strong>{operationWord(command.operation)}</strong> <span class="subject">{about}</span>
        {command.lane !== "em" && <span class="tag">{dialectWord(command.lane)}</span>}
      </span>
      <span class="row-note muted">{note(command)}</span>
      <span class="row-end muted">
        <Ago at={command.created_at} />
      </span>
      <span class="row-end muted wide">
        {command.claimed_at ? <Lasts from={command.claimed_at} to={command.ended_at} /> : "–"}
      </span>
    </a>
  );
}

/** What is most worth knowing beyond the state. */
function note({ error, held, position, progress, ended_at: ended, waits_for: waits }: Command): string {
  if (error) return error.code;
  if (held) return held === "user" ? "held by you" : "held by the operator";
  if (position !== undefined) return position === 1 ? "next" : `number ${position} in its lane`;
  if (waits) return `waits for ${waits.resource}`;
  if (!progress || ended) return "";
  const { phase, done, total } = progress;
  return done !== undefined && total ? `${phase} ${Math.floor((100 * done) / total)} %` : phase;
}
