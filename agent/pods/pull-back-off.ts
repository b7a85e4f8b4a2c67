import { nameAndTag } from "#protocol/image-reference.ts";

/** What Kubernetes says of an image that is not there. */
export function pullBackOff(owner: string, reference: string): string {
  const { name, tag } = nameAndTag(reference);
  const own = `${owner}-${name}`;
  const full = `docker.io/library/${own}:${tag}`;
  const shown = tag === "latest" ? own : `${own}:${tag}`;
  return (
    `Back-off pulling image "${shown}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and ` +
    `unpack image "${full}": failed to resolve reference "${full}": ${full}: not found`
  );
}
