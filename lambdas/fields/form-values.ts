import { PerigeeError } from "#protocol/errors.ts";
import type { Fields } from "../http/fields.ts";
import { type Literal, NumberText, parseJson } from "../http/json-text.ts";
import { parsePythonLiteral } from "./python-literal.ts";

/** The error of a field that breaks its rule. */
export function invalid(field: string, rule: string, cause?: unknown): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `${field}: ${rule}`, { cause });
}

/**
 * A field as text; undefined when it is not given, empty or null. It has one value: `readFields` refuses two.
 * Numbers and booleans of a JSON body are their text. @throws INVALID_PARAMETERS for a list or an object
 */
export function textField(fields: Fields, field: string): string | undefined {
  const value = given(fields, field).at(-1);
  if (value === undefined) return undefined;
  return scalarText(value) ?? raise(invalid(field, "must be a single value"));
}

/** Like {@link textField}, for a field that must be there. */
export function requiredField(fields: Fields, field: string): string {
  return textField(fields, field) ?? raise(invalid(field, "is required"));
}

/**
 * A field as a list of texts: a list of a JSON body, a text that is a JSON or Python list, or the field
 * repeated. Undefined when it is not given or an empty list. @throws INVALID_PARAMETERS
 */
export function listField(fields: Fields, field: string): string[] | undefined {
  const values = given(fields, field);
  let items: readonly unknown[] = values;
  if (values.length === 1) {
    const value = typeof values[0] === "string" ? literalOrText(field, values[0], /^\s*[[(]/) : values[0];
    items = Array.isArray(value) ? value : [value];
  }
  const texts = items.map(
    (item) => scalarText(item) ?? raise(invalid(field, "must be a list of texts and numbers")),
  );
  return texts.length > 0 ? texts : undefined;
}

/**
 * A field as a dictionary of texts: an object of a JSON body, or a text that is a JSON object or a Python
 * dict. Numbers become texts exactly as they were written, booleans `true` or `false`.
 * @throws INVALID_PARAMETERS
 */
export function dictField(fields: Fields, field: string): [name: string, value: string][] {
  const last = given(fields, field).at(-1);
  if (last === undefined) return [];
  const value = typeof last === "string" ? literalOrText(field, last, /^/) : last;
  if (!(value instanceof Map)) throw invalid(field, "must be a dictionary such as {'KEY': 'value'}");
  return [...value].map(([name, inner]) => [
    name,
    scalarText(inner) ?? raise(invalid(field, `the value of ${name} must be a text, a number or a boolean`)),
  ]);
}

/** A field as yes or no; `otherwise` when it is not given. @throws INVALID_PARAMETERS */
export function booleanField(fields: Fields, field: string, otherwise: boolean): boolean {
  const text = textField(fields, field)?.toLowerCase();
  if (text === undefined) return otherwise;
  if (["true", "1", "yes", "on"].includes(text)) return true;
  if (["false", "0", "no", "off"].includes(text)) return false;
  throw invalid(field, "must be true or false");
}

/** A whole number in decimal, from `min` to `max`; undefined when `text` is anything else. */
export function wholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^\s*\+?\d{1,16}\s*$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

/** The values of a field without those that mean "not given". */
function given(fields: Fields, field: string): unknown[] {
  return (fields.get(field) ?? []).filter((value) => value !== "" && value !== null);
}

/** A text that begins as a literal does, read as JSON or else as Python; any other text as it is. */
function literalOrText(field: string, text: string, begins: RegExp): Literal {
  if (!begins.test(text)) return text;
  try {
    return parseJson(text);
  } catch {
    try {
      return parsePythonLiteral(text);
    } catch (cause) {
      throw invalid(field, "is neither JSON nor a Python-style literal", cause);
    }
  }
}

function scalarText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (value instanceof NumberText) return value.text;
  return typeof value === "boolean" ? String(value) : undefined;
}

function raise(error: Error): never {
  throw error;
}
