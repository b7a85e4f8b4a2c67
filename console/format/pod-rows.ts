import type { Holding, Pod } from "../api/types.ts";
import { dialectOfPod } from "./dialects.ts";
import { holdingStatus, podStatus, type Status } from "./status.ts";

/** A line of what runs or ran on an edge, whichever API asked for it. */
export type PodRow = {
  key: string;
  name: string;
  /** what it was made of */
  image: string;
  status: Status;
  running: boolean;
  note: string;
  /** another API than the EM's, which alone acts on it */
  dialect?: string;
  pod?: Pod;
  created?: string;
  /** the screen that has more of it; absent: there is none */
  at?: string[];
};

const KINDS: readonly Holding["kind"][] = ["instance", "job", "runner"];

/** What another API made as a pod of that name: a volume may have the name too. Pure. */
export function holdingOfPod(name: string, holdings: readonly Holding[]): Holding | undefined {
  return holdings.find(({ kind, known }) => known === name && KINDS.includes(kind));
}

/** Pods as the edge reports them, those of other APIs under the names that they have there, and then what is no pod. Pure. */
export function podRows(pods: readonly Pod[], holdings: readonly Holding[]): PodRow[] {
  const others = holdings.filter(({ kind }) => KINDS.includes(kind));
  const known = new Map(others.flatMap((one) => (one.known === undefined ? [] : [[one.known, one]])));
  const reported = new Set(pods.map(({ pod_name: name }) => name));
  return [
    ...pods.map((pod) => rowOfPod(pod, known.get(pod.pod_name))),
    ...others.filter((one) => one.known === undefined || !reported.has(one.known)).map(rowOfHolding),
  ];
}

function rowOfPod(pod: Pod, holding: Holding | undefined): PodRow {
  const { pod_name: name, image, state, stopped } = pod;
  const dialect = holding?.dialect ?? dialectOfPod(name);
  return {
    key: name,
    name: holding ? wordOf(holding) : name,
    image: holding?.image ?? image,
    status: podStatus(pod),
    running: state.running !== undefined,
    // the state's word has the code but for one that its user stopped
    note: stopped && state.terminated ? `exit code ${state.terminated.exitCode}` : (holding?.kind ?? ""),
    ...(dialect !== undefined && { dialect }),
    pod,
    at: ["pods", name],
  };
}

/** Jobs have numbers; a runner's environment and a part of what follows tell it from others. */
function wordOf({ kind, name }: Holding): string {
  if (kind === "job") return `Job ${name}`;
  return kind === "runner" ? name.split("-").slice(0, 2).join("-") : name;
}

function rowOfHolding(holding: Holding): PodRow {
  const { dialect, kind, name, image = "", phase, created, command } = holding;
  return {
    key: `${dialect} ${kind} ${name}`,
    name: wordOf(holding),
    image,
    status: holdingStatus(holding),
    running: phase === "runs",
    note: kind,
    dialect,
    created,
    ...(command !== undefined && { at: ["commands", command] }),
  };
}
