import type { ExecSpec } from "../pod-sessions.ts";
import { BEGIN, PARENT } from "./helper-texts.ts";

const OWNER = {
  own: {},
  user: { HOME: "/workspace", USER: "user", LOGNAME: "user" },
  root: { HOME: "/root", USER: "root", LOGNAME: "root" },
} as const;

/**
 * The words that start a program in a container through the two helpers; pure.
 * @param unset variables of the container that it must not see
 */
export function programWords(
  spec: ExecSpec,
  { control, unset }: { control: number; unset: readonly string[] },
): string[] {
  const [program = ""] = spec.argv;
  const env = Object.entries({ ...OWNER[spec.as], ...spec.env }).map(([name, value]) => `${name}=${value}`);
  // `env` takes every word with `=` before the program for a variable
  const argv = program.includes("=") ? ["/bin/sh", "-c", 'exec "$@"', "sh", ...spec.argv] : spec.argv;
  const stderr = spec.terminal?.stderr === "apart" ? "apart" : "merged";
  const { rows = "", columns = "" } = spec.terminal?.size ?? {};
  return [
    ...["/bin/sh", "-c", PARENT, "sh", String(control), stderr, String(rows), String(columns)],
    ...["/bin/sh", "-c", BEGIN, "sh"],
    ...[asDirectory(spec.defaultWorkdir), asDirectory(spec.cwd), program, spec.env.PATH ?? ""],
    ...unset.flatMap((name) => ["-u", name]),
    ...["--", ...env, ...argv],
  ];
}

/** `cd` knows words of its own, `-` for one, and looks for a relative path in other places. */
function asDirectory(path = ""): string {
  return path === "" || path.startsWith("/") ? path : `./${path}`;
}
