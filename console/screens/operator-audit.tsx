import type { Deed } from "../api/types.ts";
import { utcTime } from "../format/age.ts";
import { clock } from "../live/clock.ts";

/** What operators did, over HTTP and on the ground's machine. */
export function OperatorAudit({ deeds }: { deeds: readonly Deed[] }) {
  return (
    <section class="panel" aria-labelledby="audit-title">
      <header class="panel-head">
        <h2 id="audit-title">What operators did</h2>
        <span class="muted">kept for 90 days; the newest {deeds.length}</span>
      </header>
      {deeds.length === 0 ? (
        <p class="muted pad">Nothing yet.</p>
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
    </section>
  );
}
