import { signal } from "@preact/signals";

const query = matchMedia("(max-width: 700px)");

/** A phone, or as narrow as one. */
export const isNarrow = signal(query.matches);
query.addEventListener("change", () => {
  isNarrow.value = query.matches;
});
