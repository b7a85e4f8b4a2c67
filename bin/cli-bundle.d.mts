export type BundleManifest = { key: string; inputs: { path: string; size: number }[] };
export const CLI_CACHE: string;
export const MANIFEST: string;
export const BUNDLE_ENTRY: string;
export const BUNDLE_INPUTS: string;
export function currentBundle(cache: string): BundleManifest | undefined;
export function freshBundle(root: string): string | undefined;
