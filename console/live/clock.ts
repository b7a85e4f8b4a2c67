import { signal } from "@preact/signals";

/** Now, ms since 1970, each second: what shows an age reads it. */
export const clock = signal(Date.now());

setInterval(() => {
  clock.value = Date.now();
}, 1000);
