import { dialectWord } from "../format/dialects.ts";
import type { PodRow } from "../format/pod-rows.ts";
import { to } from "../route.ts";
import { Ago, ReportedAge } from "./age.tsx";
import { StatusMark } from "./status-mark.tsx";

/** What runs or ran, in one line: state, name, of what, by which API, and how old that is. */
export function PodLine({ row, current = false }: { row: PodRow; current?: boolean }) {
  const { name, image, status, running, note, dialect, pod, created, at } = row;
  const parts = (
    <>
      <StatusMark status={status} busy={running} />
      <span class={`row-main${dialect ? " tagged" : ""}`}>
        <strong>{name}</strong> {dialect && <span class="tag">{dialectWord(dialect)}</span>}{" "}
        <span class="subject">{image}</span>
      </span>
      <span class="row-note muted">{note}</span>
      <span class="row-end muted wide">{pod?.node}</span>
      <span class="row-end muted">
        {pod ? (
          <>
            reported <ReportedAge seconds={pod.age} />
          </>
        ) : (
          created && (
            <>
              made <Ago at={created} />
            </>
          )
        )}
      </span>
    </>
  );
  if (!at) return <div class="row command-row">{parts}</div>;
  return (
    <a class="row command-row" href={to(...at)} aria-current={current ? "true" : undefined}>
      {parts}
    </a>
  );
}
