import { computed } from "@preact/signals";
import { utcTime } from "../format/age.ts";
import type { Deeds } from "../format/deeds.ts";
import { clock } from "../live/clock.ts";
import { loadOlderDeeds } from "../live/operator.ts";
import { failed } from "../parts/notices.tsx";

const DAY_MS = 24 * 3600_000;
/** Since 1970, by UTC: the table does not change each second, as the clock does. */
const day = computed(() => Math.floor(clock.value / DAY_MS));

/** What operators did, over HTTP and on the ground's machine. */
export function OperatorAudit({ deeds: { list, older } }: { deeds: Deeds }) {
  return (
    <section class="panel" aria-labelledby="audit-title">
      <header class="panel-head">
        <h2 id="audit-title">What operators did</h2>
        <span class="muted">
          kept for 90 days; {older === undefined ? "all" : "the newest"} {list.length}
        </span>
      </header>
      {list.length === 0 ? (
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
              {list.map(({ n, at, who, by, verb, about }) => (
                <tr key={n}>
                  <td class="num nowrap">{utcTime(at, day.value * DAY_MS)}</td>
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
      {older !== undefined && (
        <button type="button" class="more" onClick={showOlder}>
          Show older ones
        </button>
      )}
    </section>
  );
}

function showOlder(): void {
  loadOlderDeeds().catch((error: unknown) => failed("Older entries", error));
}
