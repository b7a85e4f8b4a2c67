/** One part of an uplink's form. */
export type Part = { name?: string; file?: string; text: string; disposition?: string; type?: string };

/** A multipart body exactly as a test wants it. */
export function multipart(parts: Part[], end = "\r\n--B--\r\n"): string {
  const written = parts.map(({ name = "files", file, text, disposition, type }) => {
    const header =
      disposition ?? `form-data; name="${name}"${file === undefined ? "" : `; filename="${file}"`}`;
    return `--B\r\nContent-Disposition: ${header}\r\n${type ? `Content-Type: ${type}\r\n` : ""}\r\n${text}`;
  });
  return written.join("\r\n") + end;
}

export const pod = (text: string) => ({ name: "pod_name", text });
export const dest = (text: string) => ({ name: "dest_path", text });
export const file = (name: string, text = "x") => ({ file: name, text });
