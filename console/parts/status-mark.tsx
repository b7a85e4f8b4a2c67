import type { Level, Status } from "../format/status.ts";

/** Each level has a shape of its own, so that it is told without its colour. */
const SHAPES: Record<Level, preact.JSX.Element> = {
  critical: <path d="M8 1.5L15 14H1z" />,
  serious: <path d="M8 .8L15.2 8 8 15.2.8 8z" />,
  caution: <path d="M2 2h12v12H2z" />,
  normal: <circle cx="8" cy="8" r="6.5" />,
  standby: (
    <>
      <circle cx="8" cy="8" r="6" class="ring" />
      <circle cx="8" cy="8" r="2.5" />
    </>
  ),
  off: <circle cx="8" cy="8" r="6" class="ring" />,
};

export function Mark({ level, busy }: { level: Level; busy?: boolean }) {
  return (
    <svg
      class={`mark ${level}${busy ? " busy" : ""}`}
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
    >
      {SHAPES[level]}
    </svg>
  );
}

/** A status: shape, colour and word together. */
export function StatusMark({ status, busy }: { status: Status; busy?: boolean }) {
  return (
    <span class={`status ${status.level}`}>
      <Mark level={status.level} busy={busy ?? false} />
      <span>{status.word}</span>
    </span>
  );
}
