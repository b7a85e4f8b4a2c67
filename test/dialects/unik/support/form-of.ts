const BOUNDARY = "X-boundary";

/** A multipart form as the field's clients write it: fields and a file in the order that is given. */
export function formOf(parts: readonly (readonly [name: string, value: string, fileName?: string])[]) {
  const body = parts
    .map(([name, value, fileName]) => {
      const file =
        fileName === undefined ? "" : `; filename="${fileName}"\r\nContent-Type: application/octet-stream`;
      return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`;
    })
    .join("");
  return {
    headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
    body: `${body}--${BOUNDARY}--\r\n`,
  };
}
