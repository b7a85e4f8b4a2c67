import type { Logger } from "pino";
import browserPino from "pino/browser.js";
import { errWithCause } from "pino-std-serializers";
import { mappedStack } from "./mapped-stack.ts";

type Entry = { level: number; time: number; msg?: string; err?: unknown };

/**
 * Stands in for `pino` in the Lambdas' bundles (scripts/lambda-bundles.ts): pino as browsers have it, for its
 * threads and file writers, which a Lambda has no use of, are a tenth of a Lambda's start. The same entries, one
 * JSON line each on stdout; stacks tell the places in the sources.
 * @param options.write takes a line (default stdout)
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
    // circular, a BigInt: what can be said is said
    const { level, time, name, msg } = entry;
    return JSON.stringify({ level, time, name, msg, unwritten: String(error) });
  }
}

function readable(err: unknown): unknown {
  if (!(err instanceof Error)) return err;
  const { stack, ...rest } = errWithCause(err);
  return { ...rest, stack: mappedStack(stack) };
}
