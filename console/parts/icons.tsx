const PATHS = {
  overview: "M3 12l9-8 9 8M6 10v10h12V10",
  commands: "M4 6h16M4 12h16M4 18h10",
  pods: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  images: "M12 3l9 5-9 5-9-5zM3 12l9 5 9-5M3 16l9 5 9-5",
  files: "M3 7a2 2 0 012-2h4l2 2h8a2 2 0 012 2v8a2 2 0 01-2 2H5a2 2 0 01-2-2z",
  timeline: "M3 5v14h18M7 15h5M10 11h6M13 7h6",
  folder: "M3 7a2 2 0 012-2h4l2 2h8a2 2 0 012 2v8a2 2 0 01-2 2H5a2 2 0 01-2-2z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  up: "M12 19V5M5 12l7-7 7 7",
  down: "M12 5v14M5 12l7 7 7-7",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  close: "M6 6l12 12M18 6L6 18",
  chevron: "M9 6l6 6-6 6",
  refresh: "M20 11a8 8 0 10-2.3 6.3M20 4v7h-7",
  search: "M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14A8 8 0 019.5 4 8 8 0 1020 14z",
  system: "M3 5h18v11H3zM8 20h8M12 16v4",
  exit: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  play: "M7 4l12 8-12 8z",
  back: "M15 6l-6 6 6 6",
  terminal: "M4 5h16v14H4zM7 9l3 3-3 3M12 15h5",
  operator: "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6z",
  hold: "M8 5v14M16 5v14",
  stop: "M6 6h12v12H6z",
} as const;
export type IconName = keyof typeof PATHS;

/** Beside a word, or in a control that has a name: it says nothing by itself. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
