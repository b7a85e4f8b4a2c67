import type { Readable } from "node:stream";

/** Where a repository is, and which of its revisions is wanted (default: what a clone would show). */
export type RepositoryAddress = {
  /** http or https, without user, password and fragment */
  url: URL;
  revision?: string;
  /** literal addresses, `address:port`, that may be connected to although they are internal */
  internal: readonly string[];
};

/** A file of a repository; `path` is relative, with `/` between its parts. */
export type RepositoryFile = { path: string; size: number; open(): Readable };

/** The files of one revision, until it is disposed of. */
export type FetchedRepository = AsyncDisposable & { readonly files: readonly RepositoryFile[] };

/** A repository that cannot be had: `message` is a reason that its user can act on. */
export class RepositoryFailed extends Error {
  override readonly name = "RepositoryFailed";
}

/** Fetches foreign repositories for one request at a time. Nothing of one lives longer than its request. */
export interface RepositoryFetcher {
  /**
   * The regular files of a revision: no links, no sub-repositories.
   * @param user who has asked: one is fetched for each at a time
   * @throws RepositoryFailed; PerigeeError TOO_MANY_REQUESTS when too many are fetched; the signal's reason
   */
  fetch(user: string, address: RepositoryAddress, signal: AbortSignal): Promise<FetchedRepository>;
}
