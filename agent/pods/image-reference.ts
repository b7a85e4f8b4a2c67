import { type ImageName, parseReference } from "#protocol/image-reference.ts";

/** Name and tag of a reference as users write it: registry host and digest dropped, tag `latest` when none is given. */
export function nameAndTag(reference: string): ImageName {
  const { host, name, tag = "latest" } = parseReference(reference) ?? { name: reference };
  return {
    name: host !== undefined && name.startsWith("library/") ? name.slice("library/".length) : name,
    tag,
  };
}

/** What Kubernetes says of an image that is not there. */
export function pullBackOff(user: string, reference: string): string {
  const { name, tag } = nameAndTag(reference);
  const own = `${user}-${name}`;
  const full = `docker.io/library/${own}:${tag}`;
  const shown = tag === "latest" ? own : `${own}:${tag}`;
  return (
    `Back-off pulling image "${shown}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and ` +
    `unpack image "${full}": failed to resolve reference "${full}": ${full}: not found`
  );
}
