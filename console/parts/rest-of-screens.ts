import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { idle } from "../live/pause.ts";
import { reasonOf } from "./notices.tsx";

/** The screens beside the overview, by name, once they are loaded; or why they could not be. */
export const rest = signal<{ screens?: Record<string, ComponentType>; failed?: string }>({});

let loading = false;

/** As {@link loadRest}, once the browser has nothing else to do. */
export function loadRestWhenIdle(): void {
  void idle().then(loadRest);
}

/** Loads them, once. */
export function loadRest(): void {
  if (loading) return;
  loading = true;
  import("../screens/rest.ts").then(
    ({ REST }) => {
      rest.value = { screens: REST };
    },
    (error: unknown) => {
      loading = false;
      rest.value = { failed: reasonOf(error) };
    },
  );
}
