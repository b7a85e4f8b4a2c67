import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { podRows } from "../format/pod-rows.ts";
import { type Span, ticks } from "../format/timeline.ts";
import { timelineItems } from "../format/timeline-items.ts";
import { clock } from "../live/clock.ts";
import { holdings, SELDOM_MS, useHoldings } from "../live/holdings.ts";
import { commands, edge, edgeCommands, loadOlder, older, olderState } from "../live/live.ts";
import { TimelineAxis } from "./timeline-axis.tsx";
import { TimelineTable } from "./timeline-table.tsx";

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
/** Older commands are fetched for the axis until so many are known: then somebody has to ask for more. */
const MOST = 1000;

export function TimelineScreen() {
  useHoldings(SELDOM_MS);
  const now = clock.value;
  const length = zoom.value * 60_000;
  const sight: Span = { from: now - length * (1 - AHEAD), to: now + length * AHEAD };
  const known = {
    commands: edgeCommands.value,
    pods: edge.value?.pods ?? [],
    windows: edge.value?.windows?.windows ?? [],
    names: new Map(podRows(edge.value?.pods ?? [], holdings.value).map(({ key, name }) => [key, name])),
  };
  const items = timelineItems(known, sight, now);
  // older ones are asked for of all edges together
  const oldest = commands.value.at(-1)?.created_at;
  const short = older.value !== undefined && oldest !== undefined && Date.parse(oldest) > sight.from;
  const goes = short && olderState.value === "idle" && commands.value.length < MOST;
  useEffect(() => {
    // where that fails, it is said below what to do
    if (goes) loadOlder().catch(() => {});
  }, [goes, older.value]);
  return (
    <section class="panel timeline" aria-labelledby="timeline-title">
      <header class="panel-head">
        <h2 id="timeline-title">Timeline</h2>
        <ul class="legend">
          <li>
            <i class="waits" /> waits
          </li>
          <li>
            <i class="works" /> works
          </li>
          <li>
            <i class="window" /> contact
          </li>
        </ul>
        <span class="spring" />
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
      <TimelineAxis
        sight={sight}
        items={items}
        windows={known.windows}
        ticks={ticks(sight)}
        nowAt={1 - AHEAD}
      />
      {short && !goes && olderState.value !== "loading" && (
        <p class="hint pad">
          Older commands than those that are loaded are not on the axis: load them in Commands.
        </p>
      )}
      <details class="pad">
        <summary>The same as a table</summary>
        <TimelineTable items={items} now={now} />
      </details>
    </section>
  );
}
