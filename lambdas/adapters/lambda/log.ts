import type { Logger } from "pino";
import browserPino from "pino/browser.js";
import { errWithCause } from "pino-std-serializers";
import { mappedStack } from "./mapped-stack.ts";

type Entry = { level: number; time: number; msg?: string; err?: unknown };

/**
 * Replaces `pino` in the Lambdas' bundles (scripts/lambda-bundles.ts) by pino's browser build: the threads and file
 * writers of pino, which a Lambda does not use, take a tenth of its start. The entries are the same, one JSON line
 * each on stdout; stacks are mapped to the sources.
 * @param options.write writes a line (default: to stdout)
 */
export function pino(options: {
  name: string;
  level: string;
  write?: (line: string) => void;
}): Pick<Logger, "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "level"> {
  const { name, level, write = (line) => process.stdout.write(line) } = options;
  return browserPino({
    level,
    browser: {
      write: (entry) => {
        const { level, time, ...rest } = entry as Entry;
        write(`${lineOf({ level, time, name, ...rest })}\n`);
      },
    },
  });
}

function lineOf(entry: Entry & { name: string }): string {
  try {
    return JSON.stringify({ ...entry, ...(entry.err !== undefined && { err: readable(entry.err) }) });
  } catch (error) {
    // something in it cannot be serialised (a circular object, a BigInt): log the main fields
    const { level, time, name, msg } = entry;
    return JSON.stringify({ level, time, name, msg, unwritten: String(error) });
  }
}

function readable(err: unknown): unknown {
  if (!(err instanceof Error)) return err;
  const { stack, ...rest } = errWithCause(err);
  return { ...rest, stack: mappedStack(stack) };
}
