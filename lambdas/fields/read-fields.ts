import type { Context } from "hono";
import { bytesRule, utf8Bytes } from "#protocol/field-bounds.ts";
import { addField, type Fields } from "../http/fields.ts";
import { type Literal, NumberText } from "../http/json-text.ts";
import { readBody, readQuery } from "../http/read-body.ts";
import { FIELD_KINDS, type FieldName, namedField, nearestField, VOLUME_FIELDS } from "./field-names.ts";
import { invalid } from "./form-values.ts";

/**
 * The `names` that a request gives, in its query, its body or both, whatever its method and the body's kind.
 * @throws BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS also when a field has two values
 */
export async function readFields(c: Context, names: readonly FieldName[]): Promise<Fields> {
  const query = readQuery(c);
  const isField = (name: string) => namedField(name, names) !== undefined;
  return knownFields([query, await readBody(c, { isField })], names);
}

/** The `names` among what was given in several places, each field once. @throws INVALID_PARAMETERS */
export function knownFields(sources: readonly Fields[], names: readonly FieldName[]): Fields {
  const fields: Fields = new Map();
  for (const source of sources) {
    for (const [field, values] of unbracketed(source, names)) {
      if (FIELD_KINDS[field] === "text") for (const value of values) addText(fields, field, value);
      else if (values.some(isGiven)) {
        if (fields.has(field)) throw invalid(field, "is given in the query and in the body");
        for (const value of values) checkBytes(field, value);
        fields.set(field, values);
      }
    }
  }
  return fields;
}

/** Adds a value of a field that has one. @throws INVALID_PARAMETERS when it has another */
export function addText(fields: Fields, field: FieldName, value: unknown): void {
  if (!isGiven(value)) return;
  checkBytes(field, value);
  const [before] = fields.get(field) ?? [];
  if (before !== undefined && textOf(before) !== textOf(value)) {
    throw invalid(field, `has two values, ${textOf(before)} and ${textOf(value)}`);
  }
  fields.set(field, [value]);
}

/** The fields of one place, with `args[]` put together as `args` and `envs[KEY]` as `envs`. */
function unbracketed(source: Fields, names: readonly FieldName[]): [FieldName, unknown[]][] {
  const plain: Fields = new Map();
  const lists = new Map<FieldName, { index: string; value: unknown }[]>();
  const dictionaries = new Map<FieldName, Map<string, unknown>>();
  for (const [name, values] of source) {
    const named = namedField(name, names);
    if (!named) {
      for (const value of values) refuseNested(name, value);
      continue;
    }
    const { field, brackets } = named;
    const [inner] = brackets;
    if (inner === undefined) {
      if (FIELD_KINDS[field] === "dictionary" && values.filter(isGiven).length > 1) {
        throw invalid(field, "is given twice");
      }
      addField(plain, field, ...values);
    } else if (FIELD_KINDS[field] === "list") {
      const items = values.flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]));
      const list = lists.get(field) ?? [];
      list.push(...items.map((value) => ({ index: inner, value })));
      lists.set(field, list);
    } else {
      const entries = dictionaries.get(field) ?? new Map<string, unknown>();
      if (values.length > 1 || entries.has(inner)) throw invalid(name, "is given twice");
      dictionaries.set(field, entries.set(inner, values[0]));
    }
  }
  const found = new Map<FieldName, unknown[]>([...plain] as [FieldName, unknown[]][]);
  for (const [field, value] of [...lists].map(inOrder).concat([...dictionaries])) {
    if (plain.get(field)?.some(isGiven)) throw invalid(field, "is given in two ways");
    found.set(field, [value]);
  }
  return [...found];
}

/** A volume that is named within an unknown object would be ignored, and the default be meant. @throws INVALID_PARAMETERS */
function refuseNested(name: string, value: unknown): void {
  if (!(value instanceof Map)) return;
  for (const [inner, within] of value as Map<string, unknown>) {
    const meant = nearestField(inner, VOLUME_FIELDS);
    if (meant !== undefined) throw invalid(name, `holds ${meant}, which belongs beside it`);
    refuseNested(name, within);
  }
}

/** A list of `args[]`, or of `args[0]`, `args[1]`, …; a single empty item means not given. */
function inOrder([field, items]: [FieldName, { index: string; value: unknown }[]]): [FieldName, unknown] {
  const numbered = items.some(({ index }) => index !== "");
  if (numbered && items.some(({ index }, i) => index !== String(i))) {
    throw invalid(field, `the items must be numbered 0, 1, 2 and so on, or written ${field}[]`);
  }
  const values = items.map(({ value }) => value);
  return [field, values.length === 1 && values[0] === "" ? "" : values];
}

/** @throws INVALID_PARAMETERS for a text over its bound */
function checkBytes(field: FieldName, value: unknown): void {
  const text = value instanceof NumberText ? value.text : value;
  const rule = typeof text === "string" ? bytesRule(field, utf8Bytes(text)) : undefined;
  if (rule !== undefined) throw invalid(field, rule);
}

function isGiven(value: unknown): boolean {
  return value !== "" && value !== null && value !== undefined;
}

function textOf(value: unknown): string {
  return value instanceof NumberText ? value.text : JSON.stringify(value as Literal);
}
