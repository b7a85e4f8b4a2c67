import { chooseEdge } from "../api/session.ts";
import type { GrantedEdge } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { contactStatus, nodeStatus, worst } from "../format/status.ts";
import { otherEdges, useOtherEdges } from "../live/all-edges.ts";
import { commands, edge, edgeAt, edges, older } from "../live/live.ts";
import { Ago } from "../parts/age.tsx";
import { StatusMark } from "../parts/status-mark.tsx";

const OPEN = ["staging", "queued", "running"];

/** Each granted edge in a line, and the way to it. */
export function EdgesTable() {
  useOtherEdges();
  return (
    <section class="panel" aria-labelledby="edges">
      <h2 id="edges">Your edges</h2>
      <div class="scroll-x">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Edge</th>
              <th scope="col">Contact</th>
              <th scope="col">Heard</th>
              <th scope="col">Lanes</th>
              <th scope="col">Yours</th>
              <th scope="col">Nodes</th>
              <th scope="col">Disk free</th>
              <th scope="col">Your bytes</th>
              <th scope="col">As of</th>
            </tr>
          </thead>
          <tbody>
            {edges.value.map((one) => (
              <EdgeLine key={one.edge} of={one} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function EdgeLine({ of: { edge: name, contact } }: { of: GrantedEdge }) {
  const followed = edge.value?.edge === name;
  const seen = followed ? edge.value && { ...edge.value, at: edgeAt.value } : otherEdges.value.get(name);
  const { last } = (seen ?? { contact }).contact;
  const node = seen && worst(seen.nodes.map(({ status }) => nodeStatus(status)));
  const { on_edge: used = null } = seen?.quota ?? {};
  return (
    <tr aria-current={followed ? "true" : undefined}>
      <th scope="row">
        <button
          type="button"
          class="link"
          onClick={({ currentTarget }) => {
            // the table goes until that edge is known
            currentTarget.closest("main")?.focus();
            chooseEdge(name);
          }}
        >
          {name}
        </button>
      </th>
      <td>
        <StatusMark status={contactStatus((seen ?? { contact }).contact)} />
      </td>
      <td class="muted nowrap">{last ? <Ago at={last} /> : "never"}</td>
      <td class="num nowrap">{seen ? lanesText(seen.lanes) : "…"}</td>
      <td class="num nowrap">{ownText(name)}</td>
      <td>{node ? <StatusMark status={node} /> : "–"}</td>
      <td class="num nowrap">{seen?.disk ? bytes(seen.disk.free) : "–"}</td>
      <td class="num nowrap">{used === null ? "–" : `${bytes(used)} of ${bytes(seen!.quota.bytes)}`}</td>
      <td class="muted nowrap">{seen ? <Ago at={new Date(seen.at).toISOString()} /> : "…"}</td>
    </tr>
  );
}

function lanesText(lanes: readonly { running: number; queued: number }[]): string {
  const sum = (of: "running" | "queued") => lanes.reduce((all, lane) => all + lane[of], 0);
  return `${sum("running")} run, ${sum("queued")} wait`;
}

/** Of the commands that are known here. */
function ownText(name: string): string {
  const own = commands.value.filter((one) => one.edge === name);
  const open = own.filter(({ state }) => OPEN.includes(state)).length;
  const failed = own.filter(({ state }) => state === "failed" || state === "expired").length;
  const of = older.value === undefined ? "" : ` of the newest ${commands.value.length}`;
  return `${open} under way${failed > 0 ? `, ${failed} failed` : ""}${of}`;
}
