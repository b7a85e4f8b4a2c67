import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { decodeAnyText, decodePercent, decodeText } from "../decode-text.ts";
import { readParameters } from "../header-parameters.ts";

/** What the headers of a part say: its field, the file name when it has one, and the character set of its text. */
export type PartHeader = { name: string; fileName?: string; charset?: string };

const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:([\s\S]*)$/;
/** Encodings of the content that leave it as it is. */
const AS_IT_IS = ["", "7bit", "8bit", "binary", "identity"];
/** RFC 2047; what is meant by it in a form nobody can tell: some clients write it, others name files so */
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?]*\?=/i;

/**
 * Reads the header block of part `number` of a form (RFC 7578).
 * @param anyText what is not UTF-8 becomes U+FFFD (default: it is refused)
 * @throws INVALID_PARAMETERS that names the part and the rule that it breaks
 */
export function readPartHeader(block: Buffer, number: number, anyText = false): PartHeader {
  try {
    return read(anyText ? decodeAnyText(block) : decodeText(block));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // as far as it can be told which part is meant
    const name = /\bname="?([\x20-\x21\x23-\x3a\x3c-\x7e]{1,100})/i.exec(block.toString("latin1"))?.[1];
    throw partError(number, name, error.message);
  }
}

/** The error of part `number` of a form. */
export function partError(number: number, name: string | undefined, rule: string): PerigeeError {
  const which = name === undefined ? "" : ` (${JSON.stringify(name)})`;
  return new PerigeeError("INVALID_PARAMETERS", `Part ${number} of the form${which}: ${rule}`);
}

function read(block: string): PartHeader {
  const headers = readLines(block);
  for (const name of ["content-transfer-encoding", "content-encoding"]) {
    const encoding = (headers.get(name) ?? "").trim().toLowerCase();
    if (!AS_IT_IS.includes(encoding)) throw new SyntaxError(`${name} ${encoding} is not understood`);
  }
  if (headers.has("content-range"))
    throw new SyntaxError("a part of a file (content-range) is not understood");
  const disposition = headers.get("content-disposition");
  if (disposition === undefined) throw new SyntaxError("has no Content-Disposition");
  const { value, parameters } = readParameters(disposition);
  if (value !== "form-data") throw new SyntaxError(`Content-Disposition must be form-data, not ${value}`);
  const name = nameOf("name", parameters);
  if (name === undefined) throw new SyntaxError("Content-Disposition has no name");
  const fileName = nameOf("filename", parameters);
  const charset = charsetOf(headers.get("content-type") ?? "");
  return { name, ...(fileName !== undefined && { fileName }), ...(charset !== undefined && { charset }) };
}

function readLines(block: string): Map<string, string> {
  const headers = new Map<string, string>();
  // a line that begins with a blank goes on with the one before
  const lines = block === "" ? [] : block.split(/\r\n(?![ \t])/);
  if (lines.length > LIMITS.partHeaders) throw new SyntaxError(`has more than ${LIMITS.partHeaders} headers`);
  for (const line of lines) {
    if (/\0|\n|\r/.test(line.replaceAll("\r\n", ""))) {
      throw new SyntaxError("a header holds NUL or a line end that is not CR LF");
    }
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new SyntaxError("has a line that is no header");
    const key = name.toLowerCase();
    if (headers.has(key) && key.startsWith("content-")) throw new SyntaxError(`${name} is given twice`);
    headers.set(key, value);
  }
  return headers;
}

/** `name` or `filename`, in the way of browsers or of RFC 5987 (`filename*`), which counts where both are given. */
function nameOf(parameter: string, parameters: Map<string, string>): string | undefined {
  for (const key of parameters.keys()) {
    if (key.startsWith(`${parameter}*`) && key !== `${parameter}*`) {
      throw new SyntaxError(`${parameter} in pieces (${key}) is not understood`);
    }
  }
  const extended = parameters.get(`${parameter}*`);
  if (extended !== undefined) return extValue(parameter, extended);
  const plain = parameters.get(parameter);
  if (plain !== undefined && ENCODED_WORD.test(plain)) {
    throw new SyntaxError(`${parameter} is an encoded-word (RFC 2047): send it as UTF-8`);
  }
  return plain === undefined ? undefined : unescaped(plain);
}

/** Browsers, curl and others write a quote and line ends of a name so, and nothing else. */
function unescaped(name: string): string {
  return name.replace(/%(22|0D|0A)/gi, (_all, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** RFC 5987: `UTF-8'language'percent-encoded`. */
function extValue(parameter: string, text: string): string {
  const [, charset, encoded] =
    /^([^']+)'[^']*'((?:[\x21-\x24\x26\x28-\x7e]|%[0-9a-f]{2})*)$/i.exec(text) ?? [];
  if (charset === undefined || encoded === undefined) {
    throw new SyntaxError(`${parameter}* must be of the form utf-8''percent-encoded`);
  }
  try {
    return decodePercent(encoded, charset);
  } catch (error) {
    throw new SyntaxError(`${parameter}* ${(error as Error).message}`);
  }
}

/** The character set that a part's text is in. A type that cannot be read says nothing: files are bytes. */
function charsetOf(contentType: string): string | undefined {
  if (/^\s*multipart\//i.test(contentType)) throw new SyntaxError("parts within a part are not understood");
  return /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1];
}
