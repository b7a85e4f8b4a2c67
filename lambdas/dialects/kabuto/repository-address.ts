import { type RepositoryAddress, RepositoryFailed } from "../../ports/repository-fetcher.ts";

/**
 * What a user's `repo_url` means, where the operator's list of URL prefixes (PERIGEE_KABUTO_REPOSITORIES) has it. A
 * prefix ends where a part of its path ends. Addresses that are themselves listed may be internal.
 * @throws RepositoryFailed
 * @example
 * repositoryAddress("https://hg.example.com/a/b#v1", ["https://hg.example.com/a/"]) // { url, revision: "v1", internal: [] }
 */
export function repositoryAddress(text: string, listed: readonly string[]): RepositoryAddress {
  const prefixes = listed.flatMap((prefix) => URL.parse(prefix) ?? []);
  if (prefixes.length === 0) throw new RepositoryFailed("this ground clones none");
  const url = URL.parse(text);
  if (!url) throw new RepositoryFailed("repo_url is no URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RepositoryFailed("only http and https are taken");
  }
  if (url.username !== "" || url.password !== "") {
    throw new RepositoryFailed("a user or password in the URL is not taken");
  }
  if (!prefixes.some((prefix) => isBeneath(url, prefix))) {
    throw new RepositoryFailed(`${url.origin} is not among those that this ground clones from`);
  }
  const revision = decoded(url.hash.slice(1));
  url.hash = "";
  const internal = prefixes.map(({ protocol, hostname, port }) => {
    return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  });
  return { url, internal, ...(revision !== "" && { revision }) };
}

function isBeneath(url: URL, prefix: URL): boolean {
  if (url.origin !== prefix.origin) return false;
  const path = prefix.pathname.replace(/\/$/, "");
  // a server may take either for a part's end
  if (/%2f|%5c|\\/i.test(url.pathname)) return false;
  return url.pathname === path || url.pathname.startsWith(`${path}/`);
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    throw new RepositoryFailed("the revision is no name, number or hash");
  }
}
