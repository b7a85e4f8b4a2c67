import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { startRule } from "#protocol/field-bounds.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { ExecParameters } from "#protocol/live.ts";

const word = z.string().refine((text) => !text.includes("\0"), "must hold no NUL");
const cells = z.number().int().min(1).max(65_535);

const DEFAULT_COMMAND = ["/bin/sh"];

/** Body of `POST /pods/{pod}/exec` and `POST /runners/{id}/exec`. */
export const execRequest = z
  .object({
    command: z
      .array(word)
      .min(1)
      .max(LIMITS.podWords)
      .refine(([program]) => program !== "", "the first word names a program")
      .default(DEFAULT_COMMAND),
    tty: z.boolean().default(false),
    env: z
      .record(z.string().regex(/^[^=\0]+$/, "names hold no = and no NUL"), word)
      .refine((env) => Object.keys(env).length <= LIMITS.podEnvs, "too many variables")
      .default({}),
    cwd: word.max(LIMITS.pathBytes).min(1).optional(),
    rows: cells.optional(),
    columns: cells.optional(),
    limit_seconds: z
      .number()
      .min(0)
      .max(10 ** 9)
      .default(0),
  })
  .strict();

/** @throws INVALID_PARAMETERS which names the field */
export function readExecRequest(body: unknown): ExecParameters {
  const parsed = execRequest.safeParse(body ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new PerigeeError("INVALID_PARAMETERS", `${issue?.path.join(".") || "body"}: ${issue?.message}`);
  }
  const { command, tty, env, cwd, rows, columns, limit_seconds } = parsed.data;
  const broken = startRule({ command, envs: env });
  if (broken) throw new PerigeeError("INVALID_PARAMETERS", `command and env ${broken}`);
  const size = rows !== undefined && columns !== undefined ? { rows, columns } : undefined;
  return {
    argv: command,
    as: "own",
    env,
    ...(cwd !== undefined && { cwd }),
    ...(tty && { terminal: { stderr: "merged" as const, ...(size && { size }) } }),
    ...(limit_seconds > 0 && { limitMs: limit_seconds * 1000 }),
    stop: "hangup",
  };
}
