import { PerigeeError } from "#protocol/errors.ts";
import { decodePercent } from "./decode-text.ts";
import { addField, type Fields } from "./fields.ts";

/**
 * Reads `name=value&…` as browsers write it, but exactly: what is not UTF-8 is refused.
 * @param text one character for each byte
 * @throws INVALID_PARAMETERS also for what is no form: names with quotes, braces or line ends in them, as in JSON that
 * was sent with the wrong type
 */
export function readUrlEncoded(text: string, charset?: string): Fields {
  const fields: Fields = new Map();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals), "A field's name", charset);
    if (/["{}\0\r\n=]/.test(name)) {
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        `The body or query is no url-encoded form: ${JSON.stringify(name.slice(0, 80))} is no field's name. Name the type that the body has in Content-Type`,
      );
    }
    addField(fields, name, decoded(equals < 0 ? "" : pair.slice(equals + 1), `${name}:`, charset));
  }
  return fields;
}

function decoded(text: string, what: string, charset: string | undefined): string {
  try {
    return decodePercent(text.replaceAll("+", " "), charset);
  } catch (error) {
    throw new PerigeeError("INVALID_PARAMETERS", `${what} ${(error as Error).message}`);
  }
}
