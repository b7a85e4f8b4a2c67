import type { UrlSignature } from "./url-signature.ts";

/** What uploads need of the directory that they live in. */
export type UploadsHome = {
  signature: UrlSignature;
  /** directory of the key's level, and the path of its object */
  pathsOf(key: string): { level: string; object: string; name: string };
  /** a path of our own that is swept when we die */
  tempPath(): string;
  /** renames what is at `temp` to `target` and makes that durable */
  place(temp: string, target: string): Promise<void>;
  discard(target: string): Promise<void>;
  /** @throws STORAGE_FULL when so many bytes more would go below the floor */
  take(bytes: number): Promise<void>;
};
