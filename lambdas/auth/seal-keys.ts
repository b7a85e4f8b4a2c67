/**
 * Keys that seal what is kept of users' secrets, 32 bytes each: the current one, then earlier ones that still open; or a
 * function that reads them.
 */
export type SealKeys = readonly Uint8Array[] | (() => Promise<readonly Uint8Array[]>);
