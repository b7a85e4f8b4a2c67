/** Name and tag of a reference as users write it: registry host and digest dropped, tag `latest` when none is given. */
export function nameAndTag(reference: string): { name: string; tag: string } {
  const bare = reference.replace(/@.*$/, "");
  const slash = bare.lastIndexOf("/");
  const colon = bare.indexOf(":", slash + 1);
  const name = colon < 0 ? bare : bare.slice(0, colon);
  const tag = colon < 0 ? "latest" : bare.slice(colon + 1);
  const [first = "", ...rest] = name.split("/");
  const hosted = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const path = hosted ? rest.join("/") : name;
  return { name: path.startsWith("library/") && hosted ? path.slice("library/".length) : path, tag };
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
