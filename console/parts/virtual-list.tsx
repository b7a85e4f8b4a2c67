import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 8;
/** Rows come and go so many at once, so that not every frame of a scroll changes the page. */
const STEP = 8;

type Props<T> = {
  items: readonly T[];
  /** how many there are, where `items` is one array that grows */
  length?: number;
  /** px of each row: all are the same */
  rowHeight: number;
  row: (item: T, index: number) => ComponentChildren;
  label: string;
  class?: string;
  /** stays at the end while rows come, until somebody scrolls away */
  follow?: boolean;
  onFollow?: (follow: boolean) => void;
  /** is told how many rows there are below those in sight */
  onBelow?: (rows: number) => void;
};

/** A list of which only the rows in sight are in the page, however long it is. */
export function VirtualList<T>(props: Props<T>) {
  const { items, rowHeight, row, label, follow, length = items.length } = props;
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ first: 0, end: 0, height: 0 });
  const measure = () => {
    const { scrollTop, clientHeight: height } = box.current!;
    const first = stepBelow(scrollTop / rowHeight - OVERSCAN);
    const end = stepBelow((scrollTop + height) / rowHeight + OVERSCAN) + STEP;
    setRange((before) =>
      before.first === first && before.end === end && before.height === height
        ? before
        : { first, end, height },
    );
  };
  // anew with the height of rows, which the page's width changes: the same place is other rows then
  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [rowHeight]);
  useLayoutEffect(() => {
    if (follow) box.current!.scrollTop = box.current!.scrollHeight;
  }, [length, follow, range.height]);
  const scrolled = () => {
    measure();
    const { scrollTop, clientHeight, scrollHeight } = box.current!;
    props.onFollow?.(scrollTop + clientHeight >= scrollHeight - rowHeight);
  };
  const last = Math.min(length, range.end);
  const first = Math.min(range.first, last);
  const lines = useKeptLines(row, rowHeight);
  useLayoutEffect(() => props.onBelow?.(length - last), [length - last]);
  return (
    <div
      ref={box}
      class={`virtual ${props.class ?? ""}`}
      onScroll={scrolled}
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <ul style={{ height: px(length * rowHeight) }}>
        {items.slice(first, last).map((item, i) => lines.at(first + i, item))}
      </ul>
    </div>
  );
}

/**
 * The lines of the last time, where they are still the same: Preact then passes over them, which makes scrolling cost
 * what comes into sight, not what is there.
 */
function useKeptLines<T>(row: Props<T>["row"], rowHeight: number) {
  type Line = { item: T; row: Props<T>["row"]; rowHeight: number; node: ComponentChildren };
  const kept = useRef<Map<number, Line>>(new Map());
  const before = kept.current;
  const now = new Map<number, Line>();
  kept.current = now;
  return {
    at(index: number, item: T): ComponentChildren {
      const known = before.get(index);
      if (known?.item === item && known.row === row && known.rowHeight === rowHeight) {
        now.set(index, known);
        return known.node;
      }
      const node = (
        <li key={index} style={{ top: px(index * rowHeight), height: px(rowHeight) }}>
          {row(item, index)}
        </li>
      );
      now.set(index, { item, row, rowHeight, node });
      return node;
    },
  };
}

function stepBelow(row: number): number {
  return Math.max(0, Math.floor(row / STEP) * STEP);
}

function px(length: number): string {
  return `${length}px`;
}
