import { useEffect } from "preact/hooks";
import type { OperatorEdge } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { contactStatus, nodeStatus, worst } from "../format/status.ts";
import { isOperator } from "../live/live.ts";
import { followOperator, operatorRefusal, operatorView } from "../live/operator.ts";
import { Ago } from "../parts/age.tsx";
import { Empty } from "../parts/empty.tsx";
import { reasonOf } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { route, to } from "../route.ts";
import { OperatorAudit } from "./operator-audit.tsx";
import { OperatorEdgeDetail } from "./operator-edge.tsx";

/** Every edge, for who has the role: who waits there, holds, and what operators did. Nothing of what is in commands. */
export function OperatorScreen() {
  const [chosen] = route.value.rest;
  const may = isOperator.value;
  useEffect(() => (may ? followOperator(chosen) : undefined), [may, chosen]);
  const view = operatorView.value;
  const refused = operatorRefusal.value;
  if (!may) {
    return (
      <Empty icon="operator" title="This is for operators">
        Whoever runs the ground makes one: <code>perigee user operator NAME</code>
      </Empty>
    );
  }
  if (!view) return <p class="muted">{refused ? reasonOf(refused) : "Asking the ground…"}</p>;
  const edge = view.edges.find((one) => one.edge === chosen);
  return (
    <div class={`split${chosen ? " with-detail" : ""}`}>
      <div class="list-side">
        <section class="panel" aria-labelledby="operator-title">
          <header class="panel-head">
            <h2 id="operator-title">All edges</h2>
            <span class="muted">
              as of <Ago at={new Date(view.at).toISOString()} />
              {refused !== undefined && `: ${reasonOf(refused)}`}
            </span>
          </header>
          {view.edges.length === 0 ? (
            <Empty icon="operator" title="There is no edge yet">
              Make one on the ground's machine: <code>perigee edge add NAME</code>
            </Empty>
          ) : (
            <ul class="rows">
              {view.edges.map((one) => (
                <li key={one.edge}>
                  <EdgeRow edge={one} current={one.edge === chosen} />
                </li>
              ))}
            </ul>
          )}
        </section>
        <OperatorAudit deeds={view.deeds} />
      </div>
      {chosen && edge && (
        <OperatorEdgeDetail
          edge={edge}
          entries={view.queues?.edge === chosen ? view.queues.entries : undefined}
        />
      )}
    </div>
  );
}

function EdgeRow({ edge, current }: { edge: OperatorEdge; current: boolean }) {
  const { lanes, contact, held_since: held, nodes, free_bytes: free } = edge;
  const sum = (of: "running" | "queued") => lanes.reduce((all, lane) => all + lane[of], 0);
  const bad = worst(nodes.map(({ status }) => nodeStatus(status)));
  const heldLanes = lanes.filter((lane) => lane.held_since !== null).length;
  return (
    <a class="row command-row" href={to("operator", edge.edge)} aria-current={current ? "true" : undefined}>
      <StatusMark status={contactStatus(contact)} busy={contact.state === "ok"} />
      <span class="row-main">
        <strong>{edge.edge}</strong>{" "}
        {(held !== null || heldLanes > 0) && <span class="tag caution">{held ? "held" : "lane held"}</span>}
        {bad && bad.level !== "normal" && <span class="tag caution">a node is not ready</span>}
      </span>
      <span class="row-end num">
        {sum("running")} run, {sum("queued")} wait
      </span>
      <span class="row-end muted wide num">{free === null ? "–" : `${bytes(free)} free`}</span>
      <span class="row-end muted">{contact.last ? <Ago at={contact.last} /> : "never"}</span>
    </a>
  );
}
