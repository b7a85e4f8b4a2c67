import type { DialectCore } from "../core.ts";
import type { Holding, Holdings, HoldingsOf } from "../holding.ts";
import { readHoldings, whole } from "./holdings.ts";
import { type State, stateOf } from "./instance-view.ts";
import { POD_PREFIX } from "./pod-of.ts";

const PHASES: Record<State, NonNullable<Holding["phase"]>> = {
  pending: "waits",
  running: "runs",
  stopped: "ended",
  unknown: "waits",
  error: "failed",
};

/** Images, instances, and volumes that this API made. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holdings> {
  const [{ images, instances, volumes }, runs] = await Promise.all([
    readHoldings(core.records, of),
    core.inventory.podsNamed(of.edge, of.user, POD_PREFIX),
  ]);
  const byRun = new Map(runs.map((run) => [run.run, run]));
  const items = [
    ...whole(images).map(({ name, content }): Holding => {
      return { kind: "image", name, created: content.createdAt, bytes: content.bytes };
    }),
    ...instances.map((instance): Holding => {
      const { name, createdAt: created, image, pod: known, run: command } = instance;
      const { State } = stateOf(instance, byRun.get(command));
      return { kind: "instance", name, created, image, known, command, state: State, phase: PHASES[State] };
    }),
    ...volumes
      .filter(({ making }) => making === undefined)
      .map(({ name, createdAt, volume }): Holding => {
        return { kind: "volume", name, created: createdAt, known: volume };
      }),
  ];
  return { items };
}
