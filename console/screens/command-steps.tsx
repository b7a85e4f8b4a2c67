import type { Command } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { commandStatus } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { Ago, Lasts } from "../parts/age.tsx";

/** The history of a command's states, each with its time. */
export function CommandSteps({ command }: { command: Command }) {
  const steps: [string, string | undefined][] = [
    ["Asked for", command.created_at],
    ["Queued", command.queued_at],
    ["Taken by the edge", command.claimed_at],
    ["Had all it needs", command.granted_at],
    ["Asked to cancel", command.cancel_requested_at],
    [commandStatus(command).word, command.ended_at],
  ];
  return (
    <ol class="steps">
      {steps.map(([word, at]) =>
        at ? (
          <li key={word}>
            <span>{word}</span>
            <span class="num">{utcTime(at, clock.value)} UTC</span>
            <span class="muted">
              <Ago at={at} />
            </span>
          </li>
        ) : null,
      )}
      {command.claimed_at && (
        <li class="muted">
          <span>On the edge for</span>
          <Lasts from={command.claimed_at} to={command.ended_at} />
        </li>
      )}
      <li class="muted">
        <span>Attempts</span>
        <span class="num">{command.attempts}</span>
      </li>
      {command.state === "queued" && command.expires_at && (
        <li class="muted">
          <span>Expires</span>
          <span class="num">{utcTime(command.expires_at, clock.value)} UTC</span>
        </li>
      )}
    </ol>
  );
}
