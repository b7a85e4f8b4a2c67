import { chooseEdge } from "../api/session.ts";
import type { Edge } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { contactStatus, nodeStatus, podStatus } from "../format/status.ts";
import { edge, edgeCommands, edges } from "../live/live.ts";
import { Ago, ReportedAge } from "../parts/age.tsx";
import { CommandRow } from "../parts/command-row.tsx";
import { Empty } from "../parts/empty.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { to } from "../route.ts";

const SHOWN = 6;

export function Overview() {
  const now = edge.value;
  if (!now) {
    return edges.value.length === 0 ? (
      <Empty icon="overview" title="Nothing to see yet">
        Either the ground has not answered yet, or no edge is granted to you: ask your operator for one.
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
      <h1 class="visually-hidden">Overview</h1>
      <Facts now={now} />
      <div class="columns">
        <section class="panel" aria-labelledby="under-way">
          <h2 id="under-way">Under way</h2>
          {open.length === 0 ? (
            <p class="muted pad">
              Nothing runs and nothing waits. <a href={to("files")}>Send files</a>,{" "}
              <a href={to("images")}>build an image</a> or <a href={to("pods")}>run a pod</a>.
            </p>
          ) : (
            <ul class="rows">
              {open.slice(0, SHOWN).map((command) => (
                <li key={command.command_id}>
                  <CommandRow command={command} />
                </li>
              ))}
            </ul>
          )}
          {open.length > SHOWN && (
            <a class="more" href={to("commands")}>
              and {open.length - SHOWN} more
            </a>
          )}
        </section>
        <section class="panel" aria-labelledby="failures">
          <h2 id="failures">Last failures</h2>
          {failures.length === 0 ? (
            <p class="muted pad">None of your recent commands has failed.</p>
          ) : (
            <ul class="rows">
              {failures.slice(0, SHOWN).map((command) => (
                <li key={command.command_id}>
                  <CommandRow command={command} />
                </li>
              ))}
            </ul>
          )}
        </section>
        <Lanes now={now} />
        <PodsAndNodes now={now} />
        {edges.value.length > 1 && <OtherEdges />}
      </div>
    </>
  );
}

function Facts({ now }: { now: Edge }) {
  const window = now.windows?.present ?? now.windows?.next;
  const stored = now.volumes?.items.reduce((sum, { size }) => sum + size, 0);
  const running = now.pods.filter(({ state }) => state.running).length;
  return (
    <dl class="facts">
      <div class="fact">
        <dt>Contact</dt>
        <dd>
          <StatusMark status={contactStatus(now.contact)} busy={now.contact.state === "ok"} />
        </dd>
        <dd class="muted">
          {window ? (
            <>
              {now.windows?.present ? "window until" : "next window"} {window.start.slice(11, 16)}–
              {window.end.slice(11, 16)} UTC
            </>
          ) : (
            <>
              heard <ReportedAge seconds={now.contact.age} />
            </>
          )}
        </dd>
      </div>
      <div class="fact">
        <dt>Pods running</dt>
        <dd class="big num">{running}</dd>
        <dd class="muted">of {now.pods.length} known</dd>
      </div>
      <div class="fact">
        <dt>Files</dt>
        <dd class="big num">{stored === undefined ? "–" : bytes(stored)}</dd>
        <dd class="muted">
          {now.volumes ? (
            <>
              {now.volumes.items.length} volume{now.volumes.items.length === 1 ? "" : "s"}, reported{" "}
              <ReportedAge seconds={now.volumes.age} />
            </>
          ) : (
            "not reported yet"
          )}
        </dd>
      </div>
      <div class="fact">
        <dt>Images</dt>
        <dd class="big num">{now.images?.items.length ?? "–"}</dd>
        <dd class="muted">
          {now.images ? (
            <>
              reported <ReportedAge seconds={now.images.age} />
            </>
          ) : (
            "not reported yet"
          )}
        </dd>
      </div>
    </dl>
  );
}

function Lanes({ now }: { now: Edge }) {
  return (
    <section class="panel" aria-labelledby="lanes">
      <h2 id="lanes">Lanes</h2>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <th scope="col" class="right">
              Running
            </th>
            <th scope="col" class="right">
              Waiting
            </th>
            <th scope="col">Oldest waits</th>
          </tr>
        </thead>
        <tbody>
          {now.lanes.map((lane) => (
            <tr key={lane.name}>
              <th scope="row">
                {lane.name}
                {lane.held_since && <span class="muted"> held</span>}
              </th>
              <td class="right num">
                {lane.running}
                <span class="muted"> / {lane.width ?? "–"}</span>
              </td>
              <td class="right num">{lane.queued}</td>
              <td class="muted">{lane.waiting_since ? <Ago at={lane.waiting_since} /> : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint pad">Everybody's commands count here; whose they are is not told.</p>
    </section>
  );
}

function PodsAndNodes({ now }: { now: Edge }) {
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
            <span class="row-end muted">node</span>
          </li>
        ))}
        {now.pods.slice(0, SHOWN).map((pod) => (
          <li key={pod.pod_name}>
            <a class="row" href={to("pods", pod.pod_name)}>
              <StatusMark status={podStatus(pod.state)} busy={pod.state.running !== undefined} />
              <span class="row-main">
                <strong>{pod.pod_name}</strong> <span class="subject">{pod.image}</span>
              </span>
              <span class="row-end muted">
                <ReportedAge seconds={pod.age} />
              </span>
            </a>
          </li>
        ))}
      </ul>
      <p class="hint pad">
        {now.agent ? `Agent ${now.agent.version}` : "No agent has started on this edge yet"}
      </p>
    </section>
  );
}

function OtherEdges() {
  return (
    <section class="panel" aria-labelledby="edges">
      <h2 id="edges">Your edges</h2>
      <ul class="rows">
        {edges.value.map((one) => (
          <li key={one.edge}>
            <button type="button" class="row" onClick={() => chooseEdge(one.edge)}>
              <StatusMark status={contactStatus(one.contact)} />
              <span class="row-main">
                <strong>{one.edge}</strong>
              </span>
              <span class="row-end muted">{one.contact.last ? <Ago at={one.contact.last} /> : "never"}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
