import type { Command } from "../api/types.ts";

/** A request of the EM API that becomes the same command once more. */
export type Again = { method: "GET" | "POST"; path: string; fields: Record<string, string> };

type Input = Record<string, unknown>;

/**
 * How a command is asked for again; undefined where its input does not say all of it (an uplink's files), or where
 * another API than the EM's made it, whose records a bare command would lack.
 */
export function againOf({ operation, lane, input }: Command): Again | undefined {
  if (lane !== "em" || input.space !== undefined) return undefined;
  return ASKED[operation]?.(input);
}

const ASKED: Record<string, (input: Input) => Again | undefined> = {
  "volume.list": ({ volume }) => get("/em/files/list", { pod_name: volume }),
  "volume.read": ({ volume, path, range, archive, since }) =>
    [range, archive, since].some((one) => one !== undefined)
      ? undefined
      : get("/em/files/downlink", { pod_name: volume, filepath: path }),
  "file.delete": ({ volume, path }) => post("/em/files/delete", { pod_name: volume, filepath: path }),
  "volume.delete": ({ volume, path }) => post("/em/files/delete", { pod_name: volume, filepath: path }),
  "volume.remove": ({ volume }) => post("/em/pvc/delete", { pvc_name: volume }),
  "volumes.list": () => get("/em/pvc/list", {}),
  "image.build": (input) => {
    const { dockerfile, context, image } = input;
    const volume = input.volume ?? (input.source as Input | undefined)?.volume;
    return post("/em/pod/image/build", { pod_name: volume, dockerfile, context, image });
  },
  "image.load": ({ volume, tarfile, image }) =>
    post("/em/pod/image/load", { pod_name: volume, tarfile, image }),
  "image.list": () => get("/em/pod/image/list", {}),
  "image.delete": ({ image, pods }) => (pods ? undefined : post("/em/pod/image/delete", { image })),
  "pod.run": runAgain,
  "pod.status": ({ pod }) => get("/em/pod/status", { pod_name: pod }),
  "pod.stop": ({ pod }) => post("/em/pod/stop", { pod_name: pod }),
  "nodes.status": () => get("/em/nodes/status", {}),
};

const MINUTE_MS = 60_000;
/** What the EM's runs never have. */
const OTHERS = ["node", "idleMs", "limits", "provider", "fpga", "imageSpace", "hostname"];

/** The same run, at once: of a run that was planned, its time is over. */
function runAgain(input: Input): Again | undefined {
  const { pod, image, kind, maxMs, ports = [], envs = {} } = input;
  const mounts = (input.mounts ?? []) as Input[];
  const { volume, at, subPath, readOnly } = mounts[0] ?? {};
  if (mounts.length !== 1 || at !== "/data" || subPath !== undefined || readOnly) return undefined;
  if (OTHERS.some((name) => input[name] !== undefined)) return undefined;
  if (typeof maxMs !== "number" || maxMs % MINUTE_MS !== 0 || typeof kind !== "string") return undefined;
  if (input.network !== "user" || input.onSameName !== "replace") return undefined;
  const [program, ...rest] = (input.command ?? []) as string[];
  // with arguments no shell takes part, and the words stay as they are
  const args = [...rest, ...((input.args ?? []) as string[])];
  return post("/em/pod/run", {
    pod_name: pod,
    ...(volume !== pod && { pvc_name: volume }),
    image,
    node: kind,
    max_duration: String(maxMs / MINUTE_MS),
    ...(program !== undefined && { command: quoted(program) }),
    ...(args.length > 0 && { args: JSON.stringify(args) }),
    ...((ports as number[]).length > 0 && { ports: JSON.stringify(ports) }),
    ...(Object.keys(envs as object).length > 0 && { envs: JSON.stringify(envs) }),
  });
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

const get = (path: string, fields: Input) => request("GET", path, fields);
const post = (path: string, fields: Input) => request("POST", path, fields);

function request(method: Again["method"], path: string, fields: Input): Again | undefined {
  const texts = Object.entries(fields);
  if (texts.some(([, value]) => typeof value !== "string")) return undefined;
  return { method, path, fields: fields as Record<string, string> };
}
