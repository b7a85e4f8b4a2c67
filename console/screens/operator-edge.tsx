import type { OperatorEdge, QueuedCommand } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { operationWord } from "../format/operations.ts";
import { commandStatus, contactStatus } from "../format/status.ts";
import { holdEdge } from "../live/operator.ts";
import { Ago } from "../parts/age.tsx";
import { confirmed } from "../parts/confirm.tsx";
import { Icon } from "../parts/icons.tsx";
import { LaneCountHeads, LaneCounts } from "../parts/lane-counts.tsx";
import { isNarrow } from "../parts/narrow.ts";
import { failed, notify } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { VirtualList } from "../parts/virtual-list.tsx";
import { to } from "../route.ts";

type Props = { edge: OperatorEdge; entries: QueuedCommand[] | undefined };

export function OperatorEdgeDetail({ edge, entries }: Props) {
  const { edge: name, held_since: held, contact, agent, free_bytes: free } = edge;
  return (
    <section class="panel detail" aria-labelledby="operator-edge">
      <header class="panel-head">
        <h2 id="operator-edge">{name}</h2>
        <StatusMark status={contactStatus(contact)} />
        <span class="spring" />
        <HoldButton edge={name} held={held !== null} />
        <a class="icon-button" href={to("operator")} aria-label="Close the edge">
          <Icon name="close" />
        </a>
      </header>
      <div class="detail-body fill">
        {held && (
          <p class="callout">
            Held <Ago at={held} />: it takes commands, and none of those that wait gets a place.
          </p>
        )}
        <p class="muted">
          {agent ? `Agent ${agent}` : "No agent has started yet"}
          {free !== null && `, ${bytes(free)} free on its disk`}
        </p>
        <div class="scroll-x">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Lane</th>
                <LaneCountHeads />
                <th scope="col" class="right wide">
                  Coming in
                </th>
                <th scope="col">
                  <span class="visually-hidden">Hold</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {edge.lanes.map((lane) => (
                <tr key={lane.name}>
                  <th scope="row">{lane.name}</th>
                  <LaneCounts lane={lane} />
                  <td class="right num wide">{lane.receiving}</td>
                  <td class="right">
                    <HoldButton edge={name} lane={lane.name} held={lane.held_since !== null} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <h3>Queues of all users</h3>
        <Queues entries={entries} edge={name} />
      </div>
    </section>
  );
}

function Queues({ entries, edge }: { entries: QueuedCommand[] | undefined; edge: string }) {
  if (!entries) return <p class="muted">Asking the ground…</p>;
  if (entries.length === 0) return <p class="muted">Nothing runs and nothing waits on this edge.</p>;
  return (
    <VirtualList
      class="boxed"
      label={`Queues of ${edge}`}
      items={entries}
      rowHeight={isNarrow.value ? 60 : 40}
      row={({ state, user, operation, lane, since, held }) => (
        <div class="row command-row">
          <StatusMark status={held ? { level: "caution", word: "Held" } : commandStatus({ state })} />
          <span class="row-main">
            <strong>{operationWord(operation)}</strong> <span class="muted">of {user}</span>
          </span>
          <span class="tag wide">{lane}</span>
          <span class="row-end muted">
            <Ago at={since} />
          </span>
        </div>
      )}
    />
  );
}

function HoldButton({ edge, lane, held }: { edge: string; lane?: string; held: boolean }) {
  const what = lane === undefined ? edge : `lane ${lane} of ${edge}`;
  const act = async () => {
    const text = "It goes on taking commands, and runs none of those that wait until you release it.";
    if (!held && !(await confirmed(`Hold ${what}?`, text, "Hold it"))) return;
    try {
      await holdEdge(edge, lane, !held);
      notify("normal", held ? `Released ${what}` : `Held ${what}`);
    } catch (error) {
      failed(`${held ? "Release" : "Hold"} ${what}`, error);
    }
  };
  return (
    <button
      type="button"
      class="button small"
      onClick={act}
      aria-label={`${held ? "Release" : "Hold"} ${what}`}
    >
      <Icon name={held ? "play" : "hold"} /> {held ? "Release" : "Hold"}
    </button>
  );
}
