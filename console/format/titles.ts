const TITLES: Record<string, string> = {
  overview: "Overview",
  commands: "Commands",
  pods: "Pods",
  images: "Images",
  files: "Files",
  timeline: "Timeline",
  operator: "Operator",
  errors: "Errors",
};

/** The screen that an address asks for, the overview where there is none of that name, and its title. Pure. */
export function titleOf(asked: string): { screen: string; title: string } {
  const screen = Object.hasOwn(TITLES, asked) ? asked : "overview";
  return { screen, title: TITLES[screen]! };
}
