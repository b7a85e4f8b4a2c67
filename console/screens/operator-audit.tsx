import type { Deed } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { clock } from "../live/clock.ts";
import { loadOlderDeeds, olderDeeds } from "../live/operator.ts";
import { failed } from "../parts/notices.tsx";

/** What operators did, over HTTP and on the ground's machine. */
export function OperatorAudit({ deeds }: { deeds: readonly Deed[] }) {
  return (
    <section class="panel" aria-labelledby="audit-title">
      <header class="panel-head">
        <h2 id="audit-title">What operators did</h2>
        <span class="muted">
          kept for 90 days; {olderDeeds.value === undefined ? "all" : "the newest"} {deeds.length}
        </span>
      </header>
      {deeds.length === 0 ? (
        <p class="muted pad">
          Nothing in the last 90 days. Holding an edge is noted here, and what <code>perigee</code> is asked
          on the ground's machine.
        </p>
      ) : (
        <div class="scroll-x">
          <table class="table">
            <thead>
              <tr>
                <th scope="col" class="nowrap">
                  When (UTC)
                </th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">About</th>
              </tr>
            </thead>
            <tbody>
              {deeds.map(({ n, at, who, by, verb, about }) => (
                <tr key={n}>
                  <td class="num nowrap">{utcTime(at, clock.value)}</td>
                  <td class="nowrap">
                    {who} <span class="tag">{by === "http" ? "API" : "CLI"}</span>
                  </td>
                  <th scope="row" class="nowrap">
                    {verb}
                  </th>
                  <td class="subject">{about.join(" · ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {olderDeeds.value !== undefined && (
        <button type="button" class="more" onClick={older}>
          Show older ones
        </button>
      )}
    </section>
  );
}

function older(): void {
  loadOlderDeeds().catch((error: unknown) => failed("Older entries", error));
}
