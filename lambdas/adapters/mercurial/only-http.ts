import { writeFile } from "node:fs/promises";
import { join } from "node:path";

// urllib follows a redirect to ftp, and Mercurial's setting of a proxy is for http and https alone
const EXTENSION = `
import urllib.error
import urllib.request


def refuse(self, request):
    raise urllib.error.URLError("the server leads to another protocol, " + request.type)


urllib.request.FTPHandler.ftp_open = refuse
urllib.request.FileHandler.file_open = refuse
urllib.request.DataHandler.data_open = refuse
`;

/**
 * Writes an extension of Mercurial into a directory, without which none of its commands runs: it opens nothing but http
 * and https, which both go by the proxy.
 * @returns the settings that load it
 */
export async function writeOnlyHttp(directory: string): Promise<Record<string, string>> {
  const path = join(directory, "onlyhttp.py");
  await writeFile(path, EXTENSION);
  // one that cannot be loaded is otherwise passed over
  return { "extensions.onlyhttp": path, "extensions.onlyhttp:required": "True" };
}
