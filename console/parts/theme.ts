import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEPT = "perigee.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const theme = signal<Theme>("system");

/** As it was chosen before. */
export function keptTheme(): void {
  theme.value = kept();
  applyTheme();
}

function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  localStorage.setItem(KEPT, theme.value);
  applyTheme();
}

function kept(): Theme {
  const value = localStorage.getItem(KEPT);
  return value === "light" || value === "dark" ? value : "system";
}
