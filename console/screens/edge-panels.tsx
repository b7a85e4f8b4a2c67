import type { Edge } from "../api/types.ts";
import { podRows } from "../format/pod-rows.ts";
import { holdingStatus, nodeStatus } from "../format/status.ts";
import { holdings } from "../live/holdings.ts";
import { Ago, ReportedAge } from "../parts/age.tsx";
import { LaneCountHeads, LaneCounts } from "../parts/lane-counts.tsx";
import { PodLine } from "../parts/pod-row.tsx";
import { StatusMark } from "../parts/status-mark.tsx";

const SHOWN = 6;

export function EdgeLanes({ now }: { now: Edge }) {
  return (
    <section class="panel" aria-labelledby="lanes">
      <h2 id="lanes">Lanes</h2>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <LaneCountHeads />
            <th scope="col">Oldest waits</th>
          </tr>
        </thead>
        <tbody>
          {now.lanes.map((lane) => (
            <tr key={lane.name}>
              <th scope="row">
                {lane.name}
                {lane.held_since && <span class="tag caution">held</span>}
              </th>
              <LaneCounts lane={lane} />
              <td class="muted">{lane.waiting_since ? <Ago at={lane.waiting_since} /> : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint pad">Everybody's commands count here; whose they are is not told.</p>
    </section>
  );
}

export function EdgeParts({ now }: { now: Edge }) {
  return (
    <section class="panel" aria-labelledby="edge-parts">
      <h2 id="edge-parts">On the edge</h2>
      <ul class="rows">
        {now.nodes.map((node) => (
          <li key={node.name} class="row">
            <StatusMark status={nodeStatus(node.status)} />
            <span class="row-main">
              <strong>{node.kind}</strong> <span class="subject">{node.name}</span>
            </span>
            <span class="row-end muted">
              heard <ReportedAge seconds={now.contact.age} />
            </span>
          </li>
        ))}
        {podRows(now.pods, holdings.value)
          .slice(0, SHOWN)
          .map((row) => (
            <li key={row.key}>
              <PodLine row={row} />
            </li>
          ))}
      </ul>
      <OfOtherApis now={now} />
      <p class="hint pad">
        {now.agent ? `Agent ${now.agent.version}` : "No agent has started on this edge yet"}
      </p>
    </section>
  );
}

/** Pools of runners and devices that FPGA images were loaded into: made by other APIs than the EM's. */
function OfOtherApis({ now: { runners, fpga } }: { now: Edge }) {
  const loaded = fpga.flatMap(({ node, state, loaded: of }) =>
    of ? [{ node, state, image: of.image }] : [],
  );
  if (runners.length + loaded.length === 0) return null;
  return (
    <ul class="rows">
      {runners.map(({ environment, wanted, idle, used, reason }) => (
        <li key={environment} class="row">
          <StatusMark
            status={reason ? { level: "caution", word: "Short" } : { level: "normal", word: "Ready" }}
          />
          <span class="row-main wraps">
            <strong>{environment}</strong> <span class="tag">Poseidon</span>{" "}
            <span class="muted">{reason ?? `${idle} of ${wanted} wait`}</span>
          </span>
          <span class="row-end muted num">{used} in use</span>
        </li>
      ))}
      {loaded.map(({ node, state, image }) => (
        <li key={node + image} class="row">
          <StatusMark status={holdingStatus({ state, phase: "ready" })} />
          <span class="row-main">
            <strong>{image}</strong> <span class="tag">FPGA</span>
          </span>
          <span class="row-end muted">{node}</span>
        </li>
      ))}
    </ul>
  );
}
