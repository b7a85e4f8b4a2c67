import { chosenEdge } from "../api/session.ts";
import { podRows } from "../format/pod-rows.ts";
import { holdings, holdingsTruncated, useHoldings } from "../live/holdings.ts";
import { edge } from "../live/live.ts";
import { Empty } from "../parts/empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { PodLine } from "../parts/pod-row.tsx";
import { route, to } from "../route.ts";
import { PodDetail } from "./pod-detail.tsx";
import { RunPod } from "./run-pod.tsx";

/** In the place of a pod's name, which may not begin so. */
const NEW = "-new";

export function PodsScreen() {
  const [chosen, image] = route.value.rest;
  useHoldings();
  const rows = podRows(edge.value?.pods ?? [], holdings.value);
  return (
    <div class={`split${chosen ? " with-detail" : ""}`}>
      <section class="panel list-panel" aria-labelledby="pods-title">
        <header class="panel-head">
          <h2 id="pods-title">Pods</h2>
          {holdingsTruncated.value && <span class="muted">not all of other APIs</span>}
          <span class="spring" />
          <a class="button primary" href={to("pods", NEW)}>
            <Icon name="play" /> Run a pod
          </a>
        </header>
        {rows.length === 0 ? (
          <Empty icon="pods" title="No pod has run on this edge">
            A pod runs an image for some minutes, with your volume at /data.{" "}
            <a href={to("pods", NEW)}>Run the first one</a>.
          </Empty>
        ) : (
          <ul class="rows">
            {rows.map((row) => (
              <li key={row.key}>
                <PodLine row={row} current={row.pod !== undefined && row.pod.pod_name === chosen} />
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
