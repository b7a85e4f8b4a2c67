/**
 * The length of the body, when `head` (status line and headers, without the empty line) begins the plain
 * answer to a GET from byte `start`: 200 for 0, else 206 with that range, and a Content-Length. Undefined
 * for any other answer, and for all that is not written exactly as HTTP/1.1 says.
 */
export function plainBodyLength(head: string, start: number): number | undefined {
  const [status = "", ...lines] = head.split("\r\n");
  if (/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(status)?.[1] !== (start > 0 ? "206" : "200")) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*([^\0\r\n]*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    // two lengths may be two answers
    if (headers.has(key) && IN_USE.has(key)) return undefined;
    headers.set(key, value);
  }
  if (headers.has("transfer-encoding") || headers.has("content-encoding")) return undefined;
  const length = wholeNumber(headers.get("content-length"));
  if (length === undefined || start === 0) return length;
  const range = /^bytes (\d+)-(\d+)\/(?:\d+|\*)$/i.exec(headers.get("content-range") ?? "");
  const fits = wholeNumber(range?.[1]) === start && wholeNumber(range?.[2]) === start + length - 1;
  return fits ? length : undefined;
}

const IN_USE = new Set(["content-length", "content-range"]);

function wholeNumber(digits: string | undefined): number | undefined {
  return digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}
