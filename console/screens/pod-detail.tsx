import { command } from "../api/client.ts";
import type { Pod } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { podStatus } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { edge, edgeCommands } from "../live/live.ts";
import { Lasts, ReportedAge } from "../parts/age.tsx";
import { confirmed } from "../parts/confirm.tsx";
import { Icon } from "../parts/icons.tsx";
import { LogView } from "../parts/log-view.tsx";
import { start } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { to } from "../route.ts";

export function PodDetail({ name }: { name: string }) {
  const pod = edge.value?.pods.find((one) => one.pod_name === name);
  const asked = edgeCommands.value.find(
    ({ operation, input }) => operation === "pod.run" && input.pod === name,
  );
  // the command is known here before the edge reports its run
  const run = [pod?.run, asked?.state === "succeeded" ? asked.command_id : undefined]
    .filter((id) => id !== undefined)
    .sort()
    .at(-1);
  const stop = async () => {
    const text = "Its program is asked to end, and ended when it does not.";
    if (!(await confirmed(`Stop ${name}?`, text, "Stop it"))) return;
    await start(`Stop ${name}`, () => command("/em/pod/stop", { pod_name: name }));
  };
  return (
    <section class="panel detail" aria-labelledby="pod-title">
      <header class="panel-head">
        <h2 id="pod-title">{name}</h2>
        {pod && <StatusMark status={podStatus(pod.state)} busy={pod.state.running !== undefined} />}
        <span class="spring" />
        {(pod?.state.running || pod?.state.waiting) && (
          <button type="button" class="button small danger" onClick={stop}>
            <Icon name="stop" /> Stop
          </button>
        )}
        <a class="icon-button" href={to("pods")} aria-label="Close the detail">
          <Icon name="close" />
        </a>
      </header>
      <div class="detail-body fill">
        {pod ? <Facts pod={pod} /> : <p class="muted">The edge has not reported this pod yet.</p>}
        {run ? (
          <LogView key={run} command={run} name={name} />
        ) : (
          <p class="muted">There is no log yet: it begins when the edge starts the pod.</p>
        )}
      </div>
    </section>
  );
}

function Facts({ pod: { state, image, node, run, age } }: { pod: Pod }) {
  const { running, terminated } = state;
  const began = running?.startedAt ?? terminated?.startedAt ?? undefined;
  const facts: [string, preact.ComponentChildren][] = [
    ["Image", <code key="i">{image}</code>],
    ["Node", node],
    ["Began", began ? `${utcTime(began, clock.value)} UTC` : "–"],
    ["Lasts", began ? <Lasts key="l" from={began} to={terminated?.finishedAt ?? undefined} /> : "–"],
    ["Exit code", terminated ? terminated.exitCode : "–"],
    [
      "Run",
      <a key="r" href={to("commands", run)}>
        its command
      </a>,
    ],
    ["Reported", <ReportedAge key="a" seconds={age} />],
  ];
  return (
    <dl class="pairs">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
