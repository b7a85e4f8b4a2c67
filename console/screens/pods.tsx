import { chosenEdge } from "../api/session.ts";
import { dialectWord } from "../format/dialects.ts";
import { podStatus } from "../format/status.ts";
import { edge } from "../live/live.ts";
import { ReportedAge } from "../parts/age.tsx";
import { Empty } from "../parts/empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { route, to } from "../route.ts";
import { PodDetail } from "./pod-detail.tsx";
import { RunPod } from "./run-pod.tsx";

/** In the place of a pod's name, which may not begin so. */
const NEW = "-new";

export function PodsScreen() {
  const [chosen, image] = route.value.rest;
  const pods = edge.value?.pods ?? [];
  return (
    <div class={`split${chosen ? " with-detail" : ""}`}>
      <section class="panel list-panel" aria-labelledby="pods-title">
        <header class="panel-head">
          <h1 id="pods-title">Pods</h1>
          <span class="spring" />
          <a class="button primary" href={to("pods", NEW)}>
            <Icon name="play" /> Run a pod
          </a>
        </header>
        {pods.length === 0 ? (
          <Empty icon="pods" title="No pod has run on this edge">
            A pod runs an image for some minutes, with your volume at /data.{" "}
            <a href={to("pods", NEW)}>Run the first one</a>.
          </Empty>
        ) : (
          <ul class="rows">
            {pods.map((pod) => (
              <li key={pod.pod_name}>
                <a
                  class="row command-row"
                  href={to("pods", pod.pod_name)}
                  aria-current={pod.pod_name === chosen ? "true" : undefined}
                >
                  <StatusMark status={podStatus(pod.state)} busy={pod.state.running !== undefined} />
                  <span class="row-main">
                    <strong>{pod.pod_name}</strong> <span class="subject">{pod.image}</span>
                    <SpaceTag name={pod.pod_name} />
                  </span>
                  <span class="row-end muted wide">{pod.node}</span>
                  <span class="row-end muted">
                    reported <ReportedAge seconds={pod.age} />
                  </span>
                </a>
              </li>
            ))}
          </ul>
        )}
      </section>
      {chosen === NEW && <RunPod image={image ?? ""} />}
      {/* another edge may have a pod of that name: what is open is not its */}
      {chosen && chosen !== NEW && <PodDetail key={`${chosenEdge.value ?? ""}/${chosen}`} name={chosen} />}
    </div>
  );
}

/** Another API's names have its own behind a dot. */
function SpaceTag({ name }: { name: string }) {
  const own = name.split(".")[1];
  return own ? <span class="tag">{dialectWord(own)}</span> : null;
}
