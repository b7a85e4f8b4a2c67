import type { ContactWindow } from "#protocol/contact-window.ts";
import { LIMITS } from "#protocol/limits.ts";
import { readWindow, WINDOW_FIELDS, WindowFieldError } from "#protocol/window-fields.ts";
import { usage } from "../failure.ts";
import { CsvError, readCsv } from "./csv.ts";

type Entry = { at: string; fields: Record<string, unknown> };

/** Entries of a file that are looked at: those that are over are left out, so there may be more than a plan holds. */
const MOST_ENTRIES = 20 * LIMITS.windows;

/**
 * The windows of a file, CSV or JSON (a file that begins with `[` or `{`), those that are over left out.
 * @param name of the file, for messages
 * @throws CliFailure USAGE that names the line (in JSON the number in the list), the field and the rule
 */
export function readPlan(
  text: string,
  name: string,
  now: number,
): { windows: ContactWindow[]; over: number } {
  const entries = /^\ufeff?\s*[[{]/.test(text) ? jsonEntries(text, name) : csvEntries(text, name);
  if (entries.length > MOST_ENTRIES) throw usage(`${name}: more than ${MOST_ENTRIES} windows`);
  const all = entries.map(({ at, fields }) => {
    try {
      return readWindow(fields, now);
    } catch (error) {
      if (error instanceof WindowFieldError) throw usage(`${name}, ${at}: ${error.message}`);
      throw error;
    }
  });
  const windows = all.filter(({ end }) => end > now);
  return { windows, over: all.length - windows.length };
}

function jsonEntries(text: string, name: string): Entry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw usage(`${name}: is not JSON: ${(error as Error).message}`);
  }
  const body = parsed as { windows?: unknown; data?: { windows?: unknown } } | unknown[];
  const list = Array.isArray(body) ? body : (body.windows ?? body.data?.windows);
  if (!Array.isArray(list))
    throw usage(`${name}: must be a list of windows, or an object with one as "windows"`);
  return list.map((fields: unknown, i) => {
    const at = `window ${i + 1}`;
    if (typeof fields !== "object" || fields === null || Array.isArray(fields))
      throw usage(`${name}, ${at}: must be an object`);
    return { at, fields: fields as Record<string, unknown> };
  });
}

function csvEntries(text: string, name: string): Entry[] {
  try {
    const [names, ...rows] = readCsv(text);
    if (!names) throw new CsvError(1, `must name the fields: ${WINDOW_FIELDS.join(",")}`);
    const twice = names.cells.find((cell, i) => names.cells.indexOf(cell) < i);
    if (twice !== undefined) throw new CsvError(names.line, `${twice}: is named twice`);
    for (const needed of WINDOW_FIELDS.slice(0, 3)) {
      if (!names.cells.includes(needed)) {
        throw new CsvError(
          names.line,
          `${needed}: is missing; the first line names the fields: ${WINDOW_FIELDS.join(",")}`,
        );
      }
    }
    return rows.map(({ line, cells }) => {
      if (cells.length !== names.cells.length)
        throw new CsvError(line, `has ${cells.length} cells; the first line names ${names.cells.length}`);
      return {
        at: `line ${line}`,
        fields: Object.fromEntries(names.cells.map((field, i) => [field, cells[i]])),
      };
    });
  } catch (error) {
    if (error instanceof CsvError) throw usage(`${name}, line ${error.line}: ${error.message}`);
    throw error;
  }
}
