import { utcTime } from "../format/age.ts";
import type { TimelineItem } from "../format/timeline-items.ts";
import { StatusMark } from "../parts/status-mark.tsx";
import { to } from "../route.ts";

const MOST = 200;

/** What is on the axis, in words. */
export function TimelineTable({ items, now }: { items: readonly TimelineItem[]; now: number }) {
  const time = (ms: number | undefined) =>
    ms === undefined ? "–" : utcTime(new Date(ms).toISOString(), now);
  return (
    <div class="scroll-x">
      <table class="table">
        <caption class="visually-hidden">Commands, runs and contact windows in this time</caption>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">What</th>
            <th scope="col">Group</th>
            <th scope="col">From (UTC)</th>
            <th scope="col">Began</th>
            <th scope="col">Ends</th>
          </tr>
        </thead>
        <tbody>
          {items.slice(0, MOST).map((item) => (
            <tr key={item.key}>
              <td>
                <StatusMark status={item.status} />
              </td>
              <th scope="row">
                <a href={to(...item.at)}>{item.name}</a>
              </th>
              <td class="muted">{item.group}</td>
              <td class="num">{time(item.from)}</td>
              <td class="num">{time(item.begun)}</td>
              <td class="num">{item.open && item.to <= now ? "not yet" : time(item.to)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {items.length > MOST && (
        <p class="hint">
          The first {MOST} of {items.length}.
        </p>
      )}
    </div>
  );
}
