import type { ContactWindow } from "../api/types.ts";
import { place, type Span, stacked } from "../format/timeline.ts";
import { type TimelineItem, waited } from "../format/timeline-items.ts";
import { to } from "../route.ts";

type Props = {
  sight: Span;
  items: readonly TimelineItem[];
  windows: readonly ContactWindow[];
  ticks: readonly number[];
  /** where now is, from 0 to 1 */
  nowAt: number;
};

/** Part of the axis on either side of now that its word takes. */
const NOW_WIDTH = 0.035;

/** Bars in groups over one axis with two clocks. */
export function TimelineAxis({ sight, items, windows, ticks, nowAt }: Props) {
  const groups = Map.groupBy(items, ({ group }) => group);
  const gap = (sight.to - sight.from) / 300;
  // the word at now is in the way of others
  const clear = (at: number) => Math.abs(place(at, at, sight)!.left - nowAt) > NOW_WIDTH;
  return (
    <div class="axis">
      <div class="axis-times" aria-hidden="true">
        {ticks.filter(clear).map((at) => (
          <span key={at} style={{ left: percent(place(at, at, sight)!.left) }}>
            <b>{clockText(at, sight, true)}</b>
            <small>{clockText(at, sight, false)}</small>
          </span>
        ))}
        <span class="axis-now" style={{ left: percent(nowAt) }}>
          now
        </span>
        <span class="axis-name">
          <b>UTC</b>
          <small>local</small>
        </span>
      </div>
      <div class="axis-body">
        <div class="axis-grid" aria-hidden="true">
          {windows.map(({ start, end }) => {
            const at = place(Date.parse(start), Date.parse(end), sight);
            return (
              at && (
                <i key={start} class="window" style={{ left: percent(at.left), width: percent(at.width) }} />
              )
            );
          })}
          {ticks.map((at) => (
            <i key={at} class="tick" style={{ left: percent(place(at, at, sight)!.left) }} />
          ))}
          <i class="now" style={{ left: percent(nowAt) }} />
        </div>
        {[...groups].map(([group, some]) => (
          <div key={group} class="axis-group">
            <h2>{group}</h2>
            <div class="axis-lanes">
              {stacked(some, (item) => item, gap).map((row) => (
                <div key={row[0]!.key} class="axis-row">
                  {row.map((item) => (
                    <Bar key={item.key} item={item} sight={sight} />
                  ))}
                </div>
              ))}
            </div>
          </div>
        ))}
        {items.length === 0 && (
          <p class="axis-empty muted">Nothing happened in this time. Choose a longer axis.</p>
        )}
      </div>
    </div>
  );
}

/** A bar that is wide enough has its name in it. */
const NAMED = 0.08;

function Bar({ item, sight }: { item: TimelineItem; sight: Span }) {
  const { status, name, from, to: end, at } = item;
  const whole = place(from, end, sight)!;
  const text = `${name}: ${status.word}`;
  return (
    <a
      class={`bar ${status.level}`}
      href={to(...at)}
      title={text}
      aria-label={text}
      style={{ left: percent(whole.left), width: percent(whole.width), "--waited": percent(waited(item)) }}
    >
      {whole.width > NAMED && <span aria-hidden="true">{name}</span>}
    </a>
  );
}

function percent(part: number): string {
  return `${(100 * part).toFixed(3)}%`;
}

function clockText(at: number, { from, to: end }: Span, utc: boolean): string {
  const long = end - from > 2 * 86_400_000;
  return new Date(at).toLocaleString("en-GB", {
    ...(utc && { timeZone: "UTC" }),
    ...(long ? { day: "numeric", month: "short" } : {}),
    hour: "2-digit",
    minute: "2-digit",
  });
}
