const WORDS: Record<string, string> = {
  "volume.uplink": "Uplink",
  "volume.patch": "Uplink of changes",
  "volume.chunks": "List chunks",
  "volume.list": "List files",
  "volume.read": "Downlink",
  "file.delete": "Delete file",
  "volume.delete": "Delete file",
  "volumes.list": "List volumes",
  "volume.remove": "Remove volume",
  "volumes.delete": "Remove volume",
  "volume.create": "Create volume",
  "image.compile": "Compile image",
  "image.build": "Build image",
  "image.load": "Load image",
  "image.export": "Push image",
  "image.import": "Pull image",
  "image.list": "List images",
  "image.delete": "Delete image",
  "pod.run": "Run pod",
  "pod.start": "Start pod",
  "pod.remove": "Remove pod",
  "pod.status": "Pod status",
  "pod.stop": "Stop pod",
  "nodes.status": "Node status",
  "job.run": "Run job",
  "fpga.store": "Store FPGA image",
  "fpga.delete": "Delete FPGA image",
  "edge.publish": "Publish image",
};

export function operationWord(operation: string): string {
  return WORDS[operation] ?? operation;
}

/** What a command is about, from its input: a pod, an image, a path in a volume. */
export function subject(input: Record<string, unknown>): string {
  const text = (name: string) => (typeof input[name] === "string" ? (input[name] as string) : undefined);
  const volume = text("volume");
  const path = text("path") ?? text("tarfile");
  if (volume !== undefined && path !== undefined) return `${volume}/${path}`;
  const count =
    typeof input.count === "number" ? `${input.count} file${input.count === 1 ? "" : "s"} to ` : "";
  return text("pod") ?? text("image") ?? (volume === undefined ? "" : `${count}${volume}`);
}

/** With a log that can be read in rows: of the command itself, or of the run that it began. */
const WITH_LOG: readonly string[] = [
  ...["image.build", "image.compile", "image.import", "image.load"],
  ...["job.run", "pod.run", "pod.start"],
];

export function hasLog(operation: string): boolean {
  return WITH_LOG.includes(operation);
}
