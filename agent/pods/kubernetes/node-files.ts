/** Place in every container for the message that Kubernetes would take from its end; `UP` is a link in it to itself. */
export const MESSAGE_DIRECTORY = ".perigee";
export const MESSAGE_FILE = "message";
export const UP = "up";

const CONTENT = "perigee.internal/file-";

/** What {@link nodeFiles} adds to a pod. */
export type NodeFiles = {
  annotations: Record<string, string>;
  volume: object;
  mounts: object[];
  terminationMessagePath: string;
};

/**
 * The files that a node gives every container, so that nothing can be written there: the node's own are on its disk,
 * and no limit counts them. Ours are a few bytes from the pod's annotations, and read-only. The node puts the file for
 * the container's last message over any other of the same path, but mounts deeper paths later, so ours lies upon it by
 * a longer way to the same place. (`/etc/hosts` stays the node's: it is counted.) Pure.
 */
export function nodeFiles(files: { hostname: string; resolvConf: string }): NodeFiles {
  const mounts: [file: string, mountPath: string][] = [
    ["hostname", "/etc/hostname"],
    ["resolv.conf", "/etc/resolv.conf"],
    [MESSAGE_FILE, `/${MESSAGE_DIRECTORY}/${UP}/${MESSAGE_FILE}`],
  ];
  const items = mounts.map(([path]) => ({
    path,
    fieldRef: { fieldPath: `metadata.annotations['${CONTENT}${path}']` },
  }));
  return {
    annotations: {
      [`${CONTENT}hostname`]: `${files.hostname}\n`,
      [`${CONTENT}resolv.conf`]: files.resolvConf,
    },
    volume: { name: "node-files", downwardAPI: { defaultMode: 0o444, items } },
    mounts: mounts.map(([subPath, mountPath]) => ({
      name: "node-files",
      mountPath,
      subPath,
      readOnly: true,
    })),
    terminationMessagePath: `/${MESSAGE_DIRECTORY}/${MESSAGE_FILE}`,
  };
}

/** The text of `/etc/resolv.conf`. */
export function resolvConf(dns: {
  nameservers: readonly string[];
  searches: readonly string[];
  options: readonly { name: string; value: string }[];
}): string {
  return [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(" ")}`] : []),
    ...dns.nameservers.map((address) => `nameserver ${address}`),
    `options ${dns.options.map(({ name, value }) => `${name}:${value}`).join(" ")}`,
    "",
  ].join("\n");
}
