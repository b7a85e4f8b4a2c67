import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";

/** A certificate with its chain and its private key, both PEM. */
export type TlsOptions = { cert: string; key: string };

/**
 * The certificate and key that the operator's settings name; undefined when neither is set.
 * @throws Error that names the setting and what is wrong: one without the other, a file that cannot be read or holds
 * something else, a key of another certificate
 */
export function readTlsFiles(environment: NodeJS.ProcessEnv): TlsOptions | undefined {
  const { PERIGEE_TLS_CERT: certFile, PERIGEE_TLS_KEY: keyFile } = environment;
  if (!certFile && !keyFile) return undefined;
  if (!certFile || !keyFile) {
    throw new Error(
      `PERIGEE_TLS_CERT and PERIGEE_TLS_KEY go together: ${certFile ? "the key" : "the certificate"} is not set`,
    );
  }
  const cert = readText("PERIGEE_TLS_CERT", certFile);
  const key = readText("PERIGEE_TLS_KEY", keyFile);
  check(`PERIGEE_TLS_CERT: ${certFile} holds no certificate (PEM)`, () => new X509Certificate(cert));
  check(`PERIGEE_TLS_KEY: ${keyFile} holds no private key (PEM, without a passphrase)`, () =>
    createSecureContext({ key }),
  );
  check(`PERIGEE_TLS_KEY: the key in ${keyFile} is not of the certificate in ${certFile}`, () =>
    createSecureContext({ cert, key }),
  );
  return { cert, key };
}

function readText(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${setting}: ${file} cannot be read (${code})`, { cause });
  }
}

function check(message: string, work: () => unknown): void {
  try {
    work();
  } catch (cause) {
    throw new Error(message, { cause });
  }
}
