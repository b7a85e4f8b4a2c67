import type { ComponentChildren } from "preact";
import type { Edge } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { contactStatus } from "../format/status.ts";
import { ReportedAge } from "../parts/age.tsx";
import { StatusMark } from "../parts/status-mark.tsx";

/** Parts of the quota from which it is worth a warning. */
const MUCH = 0.9;

/** The edge in a few numbers, each with its age. */
export function EdgeFacts({ now }: { now: Edge }) {
  const window = now.windows?.present ?? now.windows?.next;
  const running = now.pods.filter(({ state }) => state.running).length;
  const heard = <ReportedAge seconds={now.contact.age} />;
  return (
    <dl class="facts">
      <Fact
        name="Contact"
        value={<StatusMark status={contactStatus(now.contact)} busy={now.contact.state === "ok"} />}
      >
        {window ? (
          <span>
            {now.windows?.present ? "window" : "next window"} {window.start.slice(11, 16)}–
            {window.end.slice(11, 16)} UTC
          </span>
        ) : (
          <span>heard {heard}</span>
        )}
      </Fact>
      <Fact name="Pods running" value={running}>
        <span>
          of {now.pods.length} known, {heard}
        </span>
      </Fact>
      <Quota now={now} heard={heard} />
      <Fact name="Disk free" value={now.disk ? bytes(now.disk.free) : "–"}>
        <span>{now.disk ? <>of the edge, {heard}</> : "not reported yet"}</span>
      </Fact>
      <Fact name="Images" value={now.images?.items.length ?? "–"}>
        <span>
          {now.images ? (
            <>
              reported <ReportedAge seconds={now.images.age} />
            </>
          ) : (
            "not reported yet"
          )}
        </span>
      </Fact>
    </dl>
  );
}

/** What of the quota lies on the edge, in volumes and images. */
function Quota({ now: { quota }, heard }: { now: Edge; heard: ComponentChildren }) {
  const used = quota.on_edge;
  const part = used === null ? 0 : used / quota.bytes;
  return (
    <Fact name="Your bytes on the edge" value={used === null ? "–" : bytes(used)}>
      <meter
        aria-label="Part of your quota"
        value={Math.min(1, part)}
        min={0}
        max={1}
        low={MUCH}
        high={MUCH}
        optimum={0}
      />
      <span>
        of {bytes(quota.bytes)}
        {used !== null && <>, {heard}</>}
      </span>
    </Fact>
  );
}

function Fact({
  name,
  value,
  children,
}: {
  name: string;
  value: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd class="big num">{value}</dd>
      <dd class="muted">{children}</dd>
    </div>
  );
}
