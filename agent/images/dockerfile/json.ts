import { trimStart } from "./blanks.ts";
import { DockerfileError } from "./error.ts";

/**
 * An argument in JSON form as the engine takes it: the first JSON value, if it is an array; what follows is
 * not looked at. Undefined when the text is no such array, and so a plain text.
 * @throws DockerfileError for an array that holds anything but strings
 */
export function readJsonList(text: string): string[] | undefined {
  const trimmed = trimStart(text);
  if (!trimmed.startsWith("[")) return undefined;
  const end = endOfValue(trimmed);
  if (end === undefined) return undefined;
  let list: unknown[];
  try {
    list = JSON.parse(trimmed.slice(0, end), refuseInfinite) as unknown[];
  } catch {
    return undefined;
  }
  if (!list.every((item) => typeof item === "string")) {
    throw new DockerfileError("a JSON array must hold strings only");
  }
  return list.map((item) => item.toWellFormed());
}

/** Where the brackets of the first value are closed. */
function endOfValue(text: string): number | undefined {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (inString) {
      if (char === "\\") i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) return i + 1;
  }
  return undefined;
}

/** Go has no number for it, and gives up on the value. */
function refuseInfinite(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new SyntaxError("out of range");
  return value;
}
