import { decodeText } from "../decode-text.ts";
import { addField, type Fields } from "../fields.ts";
import { boundaryOf, readMediaType } from "../media-type.ts";
import { MultipartParser } from "./multipart-parser.ts";
import { type PartHeader, partError, readPartHeader } from "./part-header.ts";

/**
 * The fields of a multipart form that is in memory. A part with a file name is the field of its name when that
 * is one, whatever the client calls it; else it is a file that nobody asked for, and is left out.
 * @param isField is this name a field?
 * @throws INVALID_PARAMETERS naming the part that cannot be read
 */
export function readForm(bytes: Buffer, contentType: string, isField: (name: string) => boolean): Fields {
  const fields: Fields = new Map();
  const parser = new MultipartParser(boundaryOf(contentType), (block, number) => {
    const header = readPartHeader(block, number);
    const pieces: Buffer[] = [];
    return {
      data: (piece) => void pieces.push(piece),
      end() {
        if (header.fileName !== undefined && !isField(header.name)) return;
        addField(fields, header.name, partText(Buffer.concat(pieces), header, number, contentType));
      },
    };
  });
  parser.write(bytes);
  parser.end();
  return fields;
}

/** The content of a part that is a field. @throws INVALID_PARAMETERS when it is no text */
export function partText(bytes: Buffer, header: PartHeader, number: number, contentType: string): string {
  try {
    return decodeText(bytes, header.charset ?? readMediaType(contentType).parameters.get("charset"));
  } catch (error) {
    throw partError(number, header.name, (error as Error).message);
  }
}
