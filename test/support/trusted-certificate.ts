import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { makeCertificate } from "./certificate.ts";

/** A certificate for 127.0.0.1 and localhost that this process trusts until `distrust`. */
export async function makeTrustedCertificate(): Promise<{ cert: string; key: string; distrust(): void }> {
  const directory = await mkdtemp(join(tmpdir(), "perigee-trusted-"));
  try {
    const files = await makeCertificate(directory, "trusted");
    const [cert, key] = await Promise.all([readFile(files.cert, "utf8"), readFile(files.key, "utf8")]);
    const before = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...before, cert]);
    return { cert, key, distrust: () => tls.setDefaultCACertificates(before) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
