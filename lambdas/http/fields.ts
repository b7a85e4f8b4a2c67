/**
 * What a request says, by field name: every value given, in order. Forms and queries hold strings; a JSON
 * body holds what `parseJson` made of it.
 */
export type Fields = Map<string, unknown[]>;

/** Adds a value to those of its field. */
export function addField(fields: Fields, name: string, ...values: unknown[]): void {
  const given = fields.get(name);
  if (given) given.push(...values);
  else fields.set(name, values);
}
