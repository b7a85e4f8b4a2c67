import { useEffect, useState } from "preact/hooks";
import type { Command } from "../api/types.ts";
import { againOf } from "../format/again.ts";
import { dialectWord } from "../format/dialects.ts";
import { hasLog, operationWord, subject } from "../format/operations.ts";
import { progressText } from "../format/progress.ts";
import { commandStatus } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { commands, refresh } from "../live/live.ts";
import { runAgain } from "../parts/again.ts";
import { cancel } from "../parts/cancel.ts";
import { confirmed } from "../parts/confirm.tsx";
import { downloadContent } from "../parts/download.ts";
import { setHeld } from "../parts/held.ts";
import { Icon } from "../parts/icons.tsx";
import { LogView } from "../parts/log-view.tsx";
import { reasonOf } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { go, to } from "../route.ts";
import { CommandSteps } from "./command-steps.tsx";

const OPEN = ["staging", "queued", "running"];
const SHOWN_CHARACTERS = 20_000;

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
  const { command_id: id, state, progress } = command;
  return (
    <div class="detail-body">
      <div class="detail-line">
        <StatusMark status={commandStatus(command)} busy={state === "running"} />
        <span class="spring" />
        <Verbs command={command} />
      </div>
      {progress && OPEN.includes(state) && (
        <div class="progress">
          <progress
            aria-label={progress.phase}
            {...(progress.done !== undefined && progress.total
              ? { value: progress.done, max: progress.total }
              : {})}
          />
          <span class="muted num">{progressText(command, clock.value)}</span>
        </div>
      )}
      <Waiting command={command} />
      <Refused command={command} />
      <CommandSteps command={command} />
      {hasLog(command.operation) && <LogView key={id} command={id} name={`${command.operation}-${id}`} />}
      <h3>Input</h3>
      <pre class="code">{JSON.stringify(command.input, null, 2)}</pre>
      {command.result && (
        <>
          <h3>Result</h3>
          <pre class="code">{resultText(command.result)}</pre>
        </>
      )}
      <p class="hint">
        <code>{id}</code> by the {dialectWord(command.lane)} API, on {command.edge}
      </p>
    </div>
  );
}

function Verbs({ command }: { command: Command }) {
  const { command_id: id, state, operation, held } = command;
  const again = OPEN.includes(state) ? undefined : againOf(command);
  const repeat = async () => {
    const text = "The same command is asked for once more, with the same input.";
    const about = subject(command.input);
    if (!(await confirmed(`${operationWord(operation)} ${about} again?`, text, "Run again"))) return;
    const made = await runAgain(operation, again!);
    if (made) go("commands", made);
  };
  return (
    <>
      {command.content && operation === "volume.read" && (
        <button type="button" class="button small" onClick={() => downloadContent(command)}>
          <Icon name="down" /> Download
        </button>
      )}
      {again && (
        <button type="button" class="button small" onClick={repeat}>
          <Icon name="refresh" /> Run again
        </button>
      )}
      {(state === "queued" || state === "staging") && held !== "lane" && held !== "edge" && (
        <button type="button" class="button small" onClick={() => setHeld(id, held !== "user")}>
          {held === "user" ? "Release" : "Hold"}
        </button>
      )}
      {OPEN.includes(state) && (
        <button type="button" class="button small danger" onClick={() => cancel(id)}>
          Cancel
        </button>
      )}
    </>
  );
}

function Waiting({ command: { waits_for: waits, held, position } }: { command: Command }) {
  if (held) {
    const by = held === "user" ? "You hold it" : `Your operator holds this ${held}`;
    return <p class="callout">{by}: it waits until that ends.</p>;
  }
  if (position !== undefined) {
    return (
      <p class="callout">{position === 1 ? "It is next in its lane." : `Number ${position} in its lane.`}</p>
    );
  }
  if (!waits) return null;
  return (
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
  );
}

function Refused({ command: { error } }: { command: Command }) {
  if (!error) return null;
  return (
    <div class="callout critical" role="note">
      <p>
        <strong>{error.message}</strong>
      </p>
      <p>
        <a href={to("errors", error.code)}>What {error.code} means</a>
      </p>
      {error.log_tail && error.log_tail.length > 0 && <pre class="code">{error.log_tail.join("")}</pre>}
    </div>
  );
}

function resultText(result: Record<string, unknown>): string {
  const text = JSON.stringify(result, null, 2);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n… cut here` : text;
}
