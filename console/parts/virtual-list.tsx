import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 8;

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
  const [view, setView] = useState({ top: 0, height: 600 });
  const measure = () => {
    const { scrollTop, clientHeight } = box.current!;
    setView((before) =>
      before.top === scrollTop && before.height === clientHeight
        ? before
        : { top: scrollTop, height: clientHeight },
    );
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follow) box.current!.scrollTop = box.current!.scrollHeight;
  }, [length, follow, view.height]);
  const scrolled = () => {
    measure();
    const { scrollTop, clientHeight, scrollHeight } = box.current!;
    props.onFollow?.(scrollTop + clientHeight >= scrollHeight - rowHeight);
  };
  const first = Math.max(0, Math.floor(view.top / rowHeight) - OVERSCAN);
  const last = Math.min(length, Math.ceil((view.top + view.height) / rowHeight) + OVERSCAN);
  useEffect(() => props.onBelow?.(length - last), [length - last]);
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
        {items.slice(first, last).map((item, i) => (
          <li key={first + i} style={{ top: px((first + i) * rowHeight), height: px(rowHeight) }}>
            {row(item, first + i)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function px(length: number): string {
  return `${length}px`;
}
