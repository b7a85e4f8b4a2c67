import "#lambdas/entries/api.ts";

/** When the API Lambda was ready, in ms since its process started: what is imported has been run before. */
const ready = performance.now();
export const handler = async () => ({ ready });
