import type { Command } from "../api/types.ts";
import { SELDOM_MS, useHoldings } from "../live/holdings.ts";
import { edge, edgeCommands, edges, link } from "../live/live.ts";
import { Lasts } from "../parts/age.tsx";
import { CommandRow } from "../parts/command-row.tsx";
import { Empty } from "../parts/empty.tsx";
import { to } from "../route.ts";
import { EdgeFacts } from "./edge-facts.tsx";
import { EdgeLanes, EdgeParts } from "./edge-panels.tsx";
import { EdgesTable } from "./edges-table.tsx";

const SHOWN = 6;

export function Overview() {
  useHoldings(SELDOM_MS);
  const now = edge.value;
  if (!now) {
    return link.value === "polling" && edges.value.length === 0 ? (
      <Empty icon="overview" title="Nothing to see yet">
        No edge is granted to you: ask your operator for one.
      </Empty>
    ) : (
      <p class="muted">Asking the ground…</p>
    );
  }
  const all = edgeCommands.value;
  const open = all.filter(({ state }) => ["staging", "queued", "running"].includes(state));
  const failures = all.filter(({ state }) => state === "failed" || state === "expired");
  return (
    <>
      {now.held && (
        <p class="callout caution">
          Your operator has held this edge for <Lasts from={now.held.since} />: it takes commands, and runs
          none of those that wait.
        </p>
      )}
      <EdgeFacts now={now} />
      <div class="columns">
        <div>
          <section class="panel" aria-labelledby="under-way">
            <h2 id="under-way">Under way</h2>
            {open.length === 0 ? (
              <p class="muted pad">
                Nothing runs and nothing waits. <a href={to("files")}>Send files</a>,{" "}
                <a href={to("images")}>build an image</a> or <a href={to("pods")}>run a pod</a>.
              </p>
            ) : (
              <Rows commands={open} />
            )}
          </section>
          <section class="panel" aria-labelledby="failures">
            <h2 id="failures">Last failures</h2>
            {failures.length === 0 ? (
              <p class="muted pad">None of your recent commands has failed.</p>
            ) : (
              <Rows commands={failures} />
            )}
          </section>
        </div>
        <div>
          <EdgeLanes now={now} />
          <EdgeParts now={now} />
        </div>
      </div>
      {edges.value.length > 1 && <EdgesTable />}
    </>
  );
}

function Rows({ commands }: { commands: readonly Command[] }) {
  return (
    <>
      <ul class="rows">
        {commands.slice(0, SHOWN).map((command) => (
          <li key={command.command_id}>
            <CommandRow command={command} />
          </li>
        ))}
      </ul>
      {commands.length > SHOWN && (
        <a class="more" href={to("commands")}>
          and {commands.length - SHOWN} more
        </a>
      )}
    </>
  );
}
