import { signal } from "@preact/signals";
import type { Command } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { operationWord, subject } from "../format/operations.ts";
import { commandStatus } from "../format/status.ts";
import { place, type Span, spansOf, stacked, ticks } from "../format/timeline.ts";
import { clock } from "../live/clock.ts";
import { edge, edgeCommands } from "../live/live.ts";
import { StatusMark } from "../parts/status-mark.tsx";
import { to } from "../route.ts";

const ZOOMS: [string, number][] = [
  ["10 min", 10],
  ["1 h", 60],
  ["6 h", 360],
  ["24 h", 1440],
  ["7 d", 10_080],
];
/** So much of the axis lies ahead of now. */
const AHEAD = 0.2;
const zoom = signal(60);

export function TimelineScreen() {
  const now = clock.value;
  const length = zoom.value * 60_000;
  const sight = { from: now - length * (1 - AHEAD), to: now + length * AHEAD };
  const shown = edgeCommands.value.filter((command) => {
    const { waits, works } = spansOf(command, now);
    return place(waits.from, (works ?? waits).to, sight) !== undefined;
  });
  return (
    <section class="panel timeline" aria-labelledby="timeline-title">
      <header class="panel-head">
        <h1 id="timeline-title">Timeline</h1>
        <fieldset class="segments">
          <legend class="visually-hidden">Length of the axis</legend>
          {ZOOMS.map(([word, minutes]) => (
            <button
              key={word}
              type="button"
              aria-pressed={zoom.value === minutes}
              onClick={() => (zoom.value = minutes)}
            >
              {word}
            </button>
          ))}
        </fieldset>
      </header>
      <Axis sight={sight} now={now} commands={shown} />
      <details class="pad">
        <summary>The same as a table</summary>
        <Table commands={shown} now={now} />
      </details>
    </section>
  );
}

function Axis({ sight, now, commands }: { sight: Span; now: number; commands: readonly Command[] }) {
  const windows = edge.value?.windows?.windows ?? [];
  const operations = [...new Set(commands.map(({ operation }) => operation))].sort();
  const spanOf = (command: Command) => {
    const { waits, works } = spansOf(command, now);
    return { from: waits.from, to: (works ?? waits).to };
  };
  const gap = (sight.to - sight.from) / 300;
  return (
    <div class="axis">
      <div class="axis-times" aria-hidden="true">
        {ticks(sight).map((at) => (
          <span key={at} style={{ left: percent(place(at, at, sight)!.left) }}>
            <b>{clockText(at, sight, true)}</b>
            <small>{clockText(at, sight, false)}</small>
          </span>
        ))}
        <span class="axis-name">
          <b>UTC</b>
          <small>local</small>
        </span>
      </div>
      <div class="axis-body">
        <div class="axis-grid" aria-hidden="true">
          {windows.map(({ start, end }) => {
            const at = place(Date.parse(start), Date.parse(end), sight);
            return (
              at && (
                <i key={start} class="window" style={{ left: percent(at.left), width: percent(at.width) }} />
              )
            );
          })}
          {ticks(sight).map((at) => (
            <i key={at} class="tick" style={{ left: percent(place(at, at, sight)!.left) }} />
          ))}
          <i class="now" style={{ left: percent(1 - AHEAD) }} />
        </div>
        {operations.map((operation) => (
          <div key={operation} class="axis-group">
            <h2>{operationWord(operation)}</h2>
            <div class="axis-lanes">
              {stacked(
                commands.filter((one) => one.operation === operation),
                spanOf,
                gap,
              ).map((row) => (
                <div key={row[0]!.command_id} class="axis-row">
                  {row.map((command) => (
                    <Bar key={command.command_id} command={command} sight={sight} now={now} />
                  ))}
                </div>
              ))}
            </div>
          </div>
        ))}
        {commands.length === 0 && (
          <p class="muted pad">Nothing happened in this time. Choose a longer axis.</p>
        )}
      </div>
    </div>
  );
}

function Bar({ command, sight, now }: { command: Command; sight: Span; now: number }) {
  const { waits, works } = spansOf(command, now);
  const whole = place(waits.from, (works ?? waits).to, sight)!;
  const waited = works ? (waits.to - waits.from) / Math.max(1, works.to - waits.from) : 1;
  const { level, word } = commandStatus(command);
  const name = `${operationWord(command.operation)} ${subject(command.input)}: ${word}`;
  return (
    <a
      class={`bar ${level}`}
      href={to("commands", command.command_id)}
      title={name}
      aria-label={name}
      style={{ left: percent(whole.left), width: percent(whole.width), "--waited": percent(waited) }}
    />
  );
}

function Table({ commands, now }: { commands: readonly Command[]; now: number }) {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Command</th>
          <th scope="col">Asked for (UTC)</th>
          <th scope="col">Taken</th>
          <th scope="col">Ended</th>
        </tr>
      </thead>
      <tbody>
        {commands.slice(0, 200).map((command) => (
          <tr key={command.command_id}>
            <td>
              <StatusMark status={commandStatus(command)} />
            </td>
            <th scope="row">
              <a href={to("commands", command.command_id)}>
                {operationWord(command.operation)} {subject(command.input)}
              </a>
            </th>
            {[command.created_at, command.claimed_at, command.ended_at].map((at, i) => (
              <td key={String(i)} class="num">
                {at ? utcTime(at, now) : "–"}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function percent(part: number): string {
  return `${(100 * part).toFixed(3)}%`;
}

function clockText(at: number, { from, to }: Span, utc: boolean): string {
  const long = to - from > 2 * 86_400_000;
  return new Date(at).toLocaleString("en-GB", {
    ...(utc && { timeZone: "UTC" }),
    ...(long ? { day: "numeric", month: "short" } : {}),
    hour: "2-digit",
    minute: "2-digit",
  });
}
