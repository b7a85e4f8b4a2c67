import type { Command } from "#lambdas/ledger/command.ts";
import type { Computer } from "./computer.ts";
import type { JointWorld } from "./joint-world.ts";
import type { LedgerWatcher } from "./ledger-watcher.ts";

/** Within this (ms of virtual time) everything that was begun has ended, once nothing fails any more. */
const MOST_MS = 2 * 3600_000;

/** Lets everything come to its end, and looks at what became of it. */
export async function expectEnd(world: JointWorld): Promise<void> {
  world.act(() => world.heal());
  const { watcher, calls, current } = world;
  const ended = () => watcher.open().length === 0 && calls.size === 0;
  if (!(await world.run(MOST_MS, ended))) {
    const left = [...watcher.open().map(({ id, state }) => `${id} ${state}`), ...calls.values()];
    throw new Error(`these wait for ever: ${left.join("; ")}`);
  }
  const open = current.database.prepare("SELECT command FROM journal");
  if (!(await world.run(MOST_MS, () => open.all().length === 0))) {
    throw new Error(`the journal keeps what has ended: ${JSON.stringify(open.all())}`);
  }
  for (const id of world.acknowledged) {
    if (!watcher.commands.has(id)) throw new Error(`${id} was acknowledged and is lost`);
  }
  for (const [name, lane] of watcher.lanes) {
    const { running, queue, ending, pending } = lane;
    const left = [...running, ...queue, ...ending, ...pending];
    if (left.length > 0) throw new Error(`lane ${name} still holds ${JSON.stringify(left)}`);
  }
  for (const command of watcher.commands.values()) expectEffects(command, world.computers);
  for (const computer of world.computers) expectOrder(watcher, computer);
}

function expectEffects({ id, state, failure, operation }: Command, computers: readonly Computer[]): void {
  const effects = computers.flatMap(({ effects }) => effects).filter(({ command }) => command === id);
  const resources = new Set(effects.map(({ resource }) => resource));
  if (resources.size < effects.length) throw new Error(`${id} took effect on two computers`);
  const changes = ["volume.delete", "image.build", "image.delete"].includes(operation);
  const unknown = failure?.code === "INTERRUPTED" || failure?.code === "UNSUPPORTED_OPERATION";
  if (state === "succeeded" && changes !== effects.length > 0)
    throw new Error(`${id} succeeded without effect`);
  if (state !== "succeeded" && !unknown && effects.length > 0)
    throw new Error(`${id} took effect and ${state}`);
}

/** What changed one resource did so in the order in which it was claimed. */
function expectOrder({ claims }: LedgerWatcher, { effects, name }: Computer): void {
  for (const [at, { resource, command }] of effects.entries()) {
    const mine = claims.get(command)!;
    for (const later of effects.slice(at + 1)) {
      if (later.resource !== resource) continue;
      const its = claims.get(later.command)!;
      // commands of one claim go by its answer, which is not the order in which lanes were written
      const oneClaim = mine.order.join() === its.order.join() && mine.lane !== its.lane;
      if (its.n < mine.n && !oneClaim) {
        throw new Error(
          `${command} changed ${resource} of the ${name} before ${later.command}, claimed earlier`,
        );
      }
    }
  }
}
