/** What counts for files that are too many or too deep to be measured: more than any quota, and exact as a JSON number. */
export const UNMEASURABLE_BYTES = 2 ** 50;
