import { ago, duration, since } from "../format/age.ts";
import { clock } from "../live/clock.ts";
import { edgeAt } from "../live/live.ts";

/** How long ago a time was; it goes on by itself. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={new Date(at).toISOString()}>
      {ago(since(at, clock.value))}
    </time>
  );
}

/** An age that the ground told with the edge, which has grown since. */
export function ReportedAge({ seconds }: { seconds: number | null }) {
  if (seconds === null) return <span>never</span>;
  return <span>{ago(seconds + (clock.value - edgeAt.value) / 1000)}</span>;
}

export function Lasts({ from, to }: { from: string; to?: string | undefined }) {
  const end = to === undefined ? clock.value : Date.parse(to);
  return <span class="num">{duration(since(from, end))}</span>;
}
