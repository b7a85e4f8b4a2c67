import { useEffect, useState } from "preact/hooks";
import { command } from "../api/client.ts";
import type { Command, Pod } from "../api/types.ts";
import { againOf } from "../format/again.ts";
import { utcTime } from "../format/age.ts";
import { dialectOfPod, dialectWord } from "../format/dialects.ts";
import { holdingOfPod } from "../format/pod-rows.ts";
import { podStatus } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { holdings } from "../live/holdings.ts";
import { commands, edge, edgeCommands, refresh } from "../live/live.ts";
import { runAgain } from "../parts/again.ts";
import { Lasts, ReportedAge } from "../parts/age.tsx";
import { confirmed } from "../parts/confirm.tsx";
import { Icon } from "../parts/icons.tsx";
import { LogView } from "../parts/log-view.tsx";
import { start } from "../parts/notices.tsx";
import { OpenTerminal } from "../parts/open-terminal.tsx";
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
  const made = commands.value.find((one) => one.command_id === run);
  const [terminal, setTerminal] = useState(false);
  const other = holdingOfPod(name, holdings.value);
  const dialect = other?.dialect ?? dialectOfPod(name);
  useEffect(() => {
    // an older one is not in the list; it may be gone from the ground too
    if (run !== undefined && !made) refresh(run).catch(() => {});
  }, [run, made === undefined]);
  return (
    <section class="panel detail" aria-labelledby="pod-title">
      <header class="panel-head">
        <h2 id="pod-title">{other?.name ?? name}</h2>
        {dialect && <span class="tag">{dialectWord(dialect)}</span>}
        <span class="spring" />
        <a class="icon-button" href={to("pods")} aria-label="Close the detail">
          <Icon name="close" />
        </a>
      </header>
      <div class="detail-body fill">
        <div class="detail-line">
          {pod && <StatusMark status={podStatus(pod)} busy={pod.state.running !== undefined} />}
          <span class="spring" />
          <Verbs name={name} pod={pod} made={made} dialect={dialect} onTerminal={() => setTerminal(true)} />
        </div>
        {dialect && (
          <p class="callout">Made by the {dialectWord(dialect)} API: there it is stopped and run again.</p>
        )}
        {pod ? <Facts pod={pod} made={made} /> : <p class="muted">The edge has not reported this pod yet.</p>}
        {terminal && <OpenTerminal pod={name} onClose={() => setTerminal(false)} />}
        {run ? (
          <LogView key={run} command={run} name={name} />
        ) : (
          <p class="muted">There is no log yet: it begins when the edge starts the pod.</p>
        )}
      </div>
    </section>
  );
}

type VerbsProps = {
  name: string;
  pod: Pod | undefined;
  made: Command | undefined;
  /** another API than the EM's, which alone stops it and runs it again */
  dialect: string | undefined;
  onTerminal: () => void;
};

function Verbs({ name, pod, made, dialect, onTerminal }: VerbsProps) {
  const under = pod?.state.running ?? pod?.state.waiting;
  const again = made && dialect === undefined ? againOf(made) : undefined;
  const live = edge.value?.agent?.features.includes("live.exec") ?? false;
  const stop = async () => {
    const text = "Its program is asked to end, and ended when it does not.";
    if (!(await confirmed(`Stop ${name}?`, text, "Stop it"))) return;
    await start(`Stop ${name}`, () => command("/em/pod/stop", { pod_name: name }));
  };
  const repeat = async () => {
    const text = under
      ? "The one that runs is stopped, and its place taken."
      : "With the same image and settings.";
    if (!(await confirmed(`Run ${name} again?`, text, "Run again"))) return;
    await runAgain("pod.run", again!);
  };
  return (
    <>
      {live && pod?.state.running && (
        <button type="button" class="button small" onClick={onTerminal}>
          <Icon name="terminal" /> Terminal
        </button>
      )}
      {again && (
        <button type="button" class="button small" onClick={repeat}>
          <Icon name="refresh" /> Run again
        </button>
      )}
      {under && dialect === undefined && (
        <button type="button" class="button small danger" onClick={stop}>
          <Icon name="stop" /> Stop
        </button>
      )}
    </>
  );
}

function Facts({ pod, made }: { pod: Pod; made: Command | undefined }) {
  const { image, node, run, age, state, stopped } = pod;
  const { running, terminated, waiting } = state;
  const began = running?.startedAt ?? terminated?.startedAt ?? undefined;
  const { ports, scheduledAt } = (made?.input ?? {}) as { ports?: number[]; scheduledAt?: number };
  const facts: [string, preact.ComponentChildren][] = [
    ["Image", <code key="i">{image}</code>],
    ["Node", node || "–"],
    ["Ports", ports === undefined ? "–" : ports.join(", ") || "none"],
    ...(scheduledAt !== undefined && !began
      ? ([["Begins", `${utcTime(new Date(scheduledAt).toISOString(), clock.value)} UTC`]] as [
          string,
          string,
        ][])
      : []),
    ["Began", began ? `${utcTime(began, clock.value)} UTC` : "–"],
    ["Lasts", began ? <Lasts key="l" from={began} to={terminated?.finishedAt ?? undefined} /> : "–"],
    [
      "Exit code",
      terminated ? `${terminated.exitCode}, ${stopped ? "stopped by you" : terminated.reason}` : "–",
    ],
    [
      "Run",
      <a key="r" href={to("commands", run)}>
        its command
      </a>,
    ],
    ["Reported", <ReportedAge key="a" seconds={age} />],
  ];
  const said = waiting?.message ?? terminated?.message;
  return (
    <>
      <dl class="pairs">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {said && <p class="callout">{said}</p>}
    </>
  );
}
