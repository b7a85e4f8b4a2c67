import { signal } from "@preact/signals";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { STATES } from "#protocol/state.ts";
import type { Command } from "../api/types.ts";
import { NO_FILTER, passes } from "../format/command-filter.ts";
import { dialectWord } from "../format/dialects.ts";
import { operationWord } from "../format/operations.ts";
import { commands, edgeCommands, loadOlder, older, olderState } from "../live/live.ts";
import { cancel } from "../parts/cancel.ts";
import { CommandRow } from "../parts/command-row.tsx";
import { confirmed } from "../parts/confirm.tsx";
import { Empty } from "../parts/empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { isNarrow } from "../parts/narrow.ts";
import { failed } from "../parts/notices.tsx";
import { VirtualList } from "../parts/virtual-list.tsx";
import { route, to } from "../route.ts";
import { CommandDetail } from "./command-detail.tsx";

const filter = signal(NO_FILTER);
/** Older commands are fetched while fewer rows than this are below those in sight, */
const AHEAD = 150;
/** until so many are known here: then somebody has to ask for more. */
const MOST = 20_000;

/** How far it is to the end of the list. */
type End = "there" | "near" | "far";

function endOf(below: number): End {
  if (below === 0) return "there";
  return below < AHEAD ? "near" : "far";
}

export function CommandsScreen() {
  const chosen = route.value.rest[0];
  const all = edgeCommands.value;
  const shown = useMemo(() => all.filter((command) => passes(command, filter.value)), [all, filter.value]);
  const [end, setEnd] = useState<End>("there");
  const onBelow = useCallback((rows: number) => setEnd(endOf(rows)), []);
  // the same function while the same one is chosen, so that rows in sight are passed over
  const row = useCallback(
    (command: Command) => <CommandRow command={command} current={command.command_id === chosen} />,
    [chosen],
  );
  const more = useOlder(shown.length === 0 || end !== "far");
  return (
    <div class={`split${chosen ? " with-detail" : ""}`}>
      <section class="panel list-panel" aria-labelledby="commands-title">
        <header class="panel-head">
          <h2 id="commands-title">Commands</h2>
          <Filters shown={shown.length} />
        </header>
        {shown.length > 0 && (
          <VirtualList
            label="Commands, newest first"
            items={shown}
            rowHeight={isNarrow.value ? 60 : 44}
            row={row}
            onBelow={onBelow}
          />
        )}
        {shown.length === 0 && !more.looking && all.length === 0 && (
          <Empty icon="commands" title="No commands yet">
            Everything you ask of the edge becomes one: <a href={to("files")}>send files</a> to begin.
          </Empty>
        )}
        {shown.length === 0 && !more.looking && all.length > 0 && (
          <Empty icon="search" title="No command fits the filter">
            <button type="button" class="button" onClick={clear}>
              Show all
            </button>
          </Empty>
        )}
        {more.looking && (shown.length === 0 || end === "there") && (
          <p class="more" role="status">
            Looking for older commands: {all.length.toLocaleString("en")} so far
          </p>
        )}
        {more.ask && (
          <button type="button" class="more" onClick={more.ask}>
            Load older commands
          </button>
        )}
      </section>
      {chosen && <CommandDetail id={chosen} />}
    </div>
  );
}

/**
 * Fetches page after page of older commands while they are wanted.
 * @returns what to say of it: it looks for more; or how to ask, where it does not go on by itself
 */
function useOlder(wanted: boolean): { looking: boolean; ask?: () => void } {
  const before = older.value;
  const state = olderState.value;
  // again once a page has come, also one of another edge
  const goes = before !== undefined && wanted && state === "idle" && commands.value.length < MOST;
  const load = () => loadOlder().catch((error: unknown) => failed("Older commands", error));
  useEffect(() => {
    if (goes) void load();
  }, [goes, before]);
  const looking = before !== undefined && (goes || state === "loading");
  if (before === undefined || looking) return { looking };
  return wanted ? { looking: false, ask: () => void load() } : { looking: false };
}

function clear() {
  filter.value = NO_FILTER;
}

function Filters({ shown }: { shown: number }) {
  const { state, operation, lane, text } = filter.value;
  const lanes = [...new Set(edgeCommands.value.map((command) => command.lane))].sort();
  const operations = [...new Set(edgeCommands.value.map((command) => command.operation))].sort();
  const set = (some: Partial<typeof NO_FILTER>) => {
    filter.value = { ...filter.value, ...some };
  };
  const cancellable = edgeCommands.value.filter(
    (command) => passes(command, filter.value) && ["staging", "queued", "running"].includes(command.state),
  );
  const cancelAll = async () => {
    const text = `${cancellable.length} commands are under way in this list.`;
    if (!(await confirmed("Cancel all of them?", text, "Cancel them"))) return;
    for (const command of cancellable) await cancel(command.command_id);
  };
  return (
    <div class="filters">
      <label class="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search commands"
          placeholder="Search"
          value={text}
          onInput={(event) => set({ text: event.currentTarget.value })}
        />
      </label>
      <select
        aria-label="State"
        value={state}
        onChange={(event) => set({ state: event.currentTarget.value })}
      >
        <option value="">any state</option>
        <option value="open">under way</option>
        {STATES.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
      <select
        aria-label="Operation"
        value={operation}
        onChange={(event) => set({ operation: event.currentTarget.value })}
      >
        <option value="">any operation</option>
        {operations.map((one) => (
          <option key={one} value={one}>
            {operationWord(one)}
          </option>
        ))}
      </select>
      {(lanes.length > 1 || lane) && (
        <select aria-label="Lane" value={lane} onChange={(event) => set({ lane: event.currentTarget.value })}>
          <option value="">any lane</option>
          {lanes.map((one) => (
            <option key={one} value={one}>
              {dialectWord(one)} · {one}
            </option>
          ))}
        </select>
      )}
      <span class="muted num" role="status">
        {shown.toLocaleString("en")} shown
      </span>
      {cancellable.length > 1 && (
        <button type="button" class="button small" onClick={cancelAll}>
          Cancel {cancellable.length}
        </button>
      )}
    </div>
  );
}
