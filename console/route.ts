import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

/** The screen and what of it is meant, from the part behind `#/`; every part is decoded. */
export const route = computed(() => {
  const [screen = "", ...rest] = hash.value.replace(/^#\/?/, "").split("/").map(decoded);
  return { screen: screen || "overview", rest };
});

export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
