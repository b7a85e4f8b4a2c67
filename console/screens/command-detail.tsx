import { useEffect, useState } from "preact/hooks";
import type { Command } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { bytes } from "../format/bytes.ts";
import { hasLog, operationWord, subject } from "../format/operations.ts";
import { commandStatus } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { commands, refresh } from "../live/live.ts";
import { Ago, Lasts } from "../parts/age.tsx";
import { cancel } from "../parts/cancel.ts";
import { downloadContent } from "../parts/download.ts";
import { Icon } from "../parts/icons.tsx";
import { LogView } from "../parts/log-view.tsx";
import { reasonOf } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { to } from "../route.ts";

const OPEN = ["staging", "queued", "running"];

export function CommandDetail({ id }: { id: string }) {
  const command = commands.value.find((one) => one.command_id === id);
  const [missing, setMissing] = useState<string>();
  useEffect(() => {
    setMissing(undefined);
    refresh(id).catch((error: unknown) => setMissing(reasonOf(error)));
  }, [id]);
  return (
    <section class="panel detail" aria-labelledby="detail-title">
      <header class="panel-head">
        <h2 id="detail-title">{command ? operationWord(command.operation) : "Command"}</h2>
        {command && <span class="subject">{subject(command.input)}</span>}
        <span class="spring" />
        <a class="icon-button" href={to("commands")} aria-label="Close the detail">
          <Icon name="close" />
        </a>
      </header>
      {command ? <Detail command={command} /> : <p class="pad muted">{missing ?? "Asking the ground…"}</p>}
    </section>
  );
}

function Detail({ command }: { command: Command }) {
  const { command_id: id, state, error, progress, waits_for: waits, attempts } = command;
  return (
    <div class="detail-body">
      <div class="detail-line">
        <StatusMark status={commandStatus(command)} busy={state === "running"} />
        {attempts > 1 && <span class="muted">attempt {attempts}</span>}
        <span class="spring" />
        {command.content && command.operation === "volume.read" && (
          <button type="button" class="button small" onClick={() => downloadContent(command)}>
            <Icon name="down" /> Download
          </button>
        )}
        {OPEN.includes(state) && (
          <button type="button" class="button small danger" onClick={() => cancel(id)}>
            Cancel
          </button>
        )}
      </div>
      {progress && OPEN.includes(state) && <Progress command={command} />}
      {waits && (
        <p class="callout">
          Waits for <code>{waits.resource}</code>
          {waits.command_id && (
            <>
              {" "}
              behind <a href={to("commands", waits.command_id)}>this command</a>
            </>
          )}
          .
        </p>
      )}
      {error && (
        <div class="callout critical" role="note">
          <p>
            <strong>{error.message}</strong>
          </p>
          <p class="muted">
            <code>{error.code}</code> ·{" "}
            <a href="/docs" target="_blank" rel="noreferrer">
              what the API says of it
            </a>
          </p>
          {error.log_tail && error.log_tail.length > 0 && <pre class="code">{error.log_tail.join("")}</pre>}
        </div>
      )}
      <Steps command={command} />
      {hasLog(command.operation) && <LogView command={id} name={`${command.operation}-${id}`} />}
      <h3>Input</h3>
      <pre class="code">{JSON.stringify(command.input, null, 2)}</pre>
      {command.result && (
        <>
          <h3>Result</h3>
          <pre class="code">{resultText(command.result)}</pre>
        </>
      )}
      <p class="hint">
        <code>{id}</code> on {command.edge}
      </p>
    </div>
  );
}

const SHOWN_CHARACTERS = 20_000;

function resultText(result: Record<string, unknown>): string {
  const text = JSON.stringify(result, null, 2);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n… cut here` : text;
}

function Progress({ command: { progress, granted_at: begun, claimed_at: claimed } }: { command: Command }) {
  const { phase, done, total, unit } = progress!;
  const words = (count: number) => (unit === "bytes" ? bytes(count) : `${count} ${unit ?? ""}`);
  const at = begun ?? claimed;
  const seconds = at ? (clock.value - Date.parse(at)) / 1000 : 0;
  const rate = done !== undefined && seconds > 2 ? done / seconds : undefined;
  return (
    <div class="progress">
      <progress aria-label={phase} {...(done !== undefined && total ? { value: done, max: total } : {})} />
      <span class="muted num">
        {phase}
        {done !== undefined && ` ${words(done)}${total ? ` of ${words(total)}` : ""}`}
        {rate !== undefined && unit === "bytes" && ` · ${bytes(Math.round(rate))}/s`}
        {rate && total && done !== undefined ? ` · ${Math.ceil((total - done) / rate)} s left` : ""}
      </span>
    </div>
  );
}

/** The history of its states, each with its time. */
function Steps({ command }: { command: Command }) {
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
      {command.state === "queued" && command.expires_at && (
        <li class="muted">
          <span>Expires</span>
          <span class="num">{utcTime(command.expires_at, clock.value)} UTC</span>
        </li>
      )}
    </ol>
  );
}
