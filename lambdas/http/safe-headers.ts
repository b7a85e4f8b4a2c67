/** On every answer: it is of the type that it says, and nobody keeps what was meant for one user. */
export const SAFE_HEADERS = { "x-content-type-options": "nosniff", "cache-control": "private, no-store" };
