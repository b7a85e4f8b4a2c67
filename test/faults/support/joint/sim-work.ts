import type { OperationContext, OperationHandlers } from "#agent/operation.ts";
import { resourcesOf } from "#agent/resources/resources-of.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { OPERATIONS, type OperationName } from "#protocol/operations.ts";
import type { Computer } from "./computer.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How a command that changes something goes; it is the name of its path or Dockerfile. */
export const NATURES = ["quick", "slow", "fails", "hangs", "keeps"] as const;
type Nature = (typeof NATURES)[number];

export type WorkDeps = {
  computer: Computer;
  time: VirtualTime;
  /** as the ledger has it */
  known(id: string): Command;
  /** something is as it must not be */
  violated(error: unknown): void;
};

const RESULTS = {
  "volume.delete": {},
  "volume.list": { listing: "[]", truncated: false },
  "image.build": {},
  "image.delete": {},
  "nodes.status": { nodes: [] },
} as const satisfies Partial<Record<OperationName, object>>;

/** What these histories ask an edge for. */
export const OPERATIONS_ASKED = Object.keys(RESULTS) as (keyof typeof RESULTS)[];

/** What commands do on a computer: they use what they declared, change it once, and note each step as real ones do. */
export function handlersOn(deps: WorkDeps): OperationHandlers {
  const handlers = Object.fromEntries(
    OPERATIONS_ASKED.map((operation) => [
      operation,
      (context: OperationContext) => work(deps, operation, context),
    ]),
  );
  return handlers as unknown as OperationHandlers;
}

async function work(
  deps: WorkDeps,
  operation: keyof typeof RESULTS,
  context: OperationContext,
): Promise<unknown> {
  const { computer, time } = deps;
  const { id, user } = context.command;
  const uses = resourcesOf(operation, context.input as never, user);
  checked(deps, () => computer.use(id, uses));
  try {
    await time.sleep(time.between(1, 200));
    context.signal.throwIfAborted();
    if (OPERATIONS[operation].changes) await change(deps, context, uses);
    if (operation === "image.build") {
      computer.giveBack(id, "builds");
      context.release("builds");
      await time.sleep(time.between(1, 200));
      context.signal.throwIfAborted();
    }
    return RESULTS[operation];
  } finally {
    computer.end(id);
  }
}

async function change(
  deps: WorkDeps,
  context: OperationContext,
  uses: ReturnType<typeof resourcesOf>,
): Promise<void> {
  const { computer, time, known } = deps;
  const { signal, journal, command } = context;
  const nature = natureOf(context.input);
  const handled = nature === "keeps" ? context.handleCancel() : undefined;
  if (nature === "fails") throw new PerigeeError("DELETE_FAILED", "as it was asked to");
  if (nature === "hangs") throw await aborted(signal);
  if (nature === "slow") await time.sleep(time.between(1000, 20_000));
  signal.throwIfAborted();
  const noted = (step: string) => journal.notes.some((note) => note.step === step);
  if (!noted("commit")) journal.note("commit");
  for (const { key, mode } of uses) {
    if (mode !== "write" || noted(key)) continue;
    await time.sleep(time.between(1, 50));
    signal.throwIfAborted();
    checked(deps, () => computer.change(key, command.id, known(command.id)));
    // who dies here does it again
    await time.sleep(time.between(1, 50));
    signal.throwIfAborted();
    journal.note(key);
  }
  if (!handled) return;
  await Promise.race([time.sleep(30_000), aborted(handled), aborted(signal)]);
  signal.throwIfAborted();
}

function natureOf(input: unknown): Nature {
  const { path, dockerfile } = input as { path?: string; dockerfile?: string };
  // a build may take half an hour: nobody has to wait for its deadline here
  if (dockerfile === "hangs") return "slow";
  return NATURES.find((nature) => nature === (path ?? dockerfile)) ?? "quick";
}

function checked(deps: WorkDeps, check: () => void): void {
  try {
    check();
  } catch (error) {
    deps.violated(error);
  }
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener("abort", () => resolve(signal.reason));
  });
}
