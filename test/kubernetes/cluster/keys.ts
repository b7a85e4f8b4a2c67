import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/debian-packages.ts";
import type { Addresses } from "./addresses.ts";

const COMMAND_MS = 90_000;
const DAYS = "30";

/** Who speaks to the API server, and the groups that give them their rights. */
const CALLERS = [
  { file: "admin", user: "admin", groups: "system:masters" },
  { file: "controllers", user: "system:kube-controller-manager", groups: "" },
  { file: "scheduler", user: "system:kube-scheduler", groups: "" },
  { file: "proxy", user: "system:kube-proxy", groups: "" },
  { file: "node1", user: "system:node:node1", groups: "system:nodes" },
  { file: "node2", user: "system:node:node2", groups: "system:nodes" },
] as const;

export type Caller = (typeof CALLERS)[number]["file"];

/** Keys and kubeconfigs of one cluster, all below its `run`. */
export class Keys {
  readonly #run: string;

  constructor(run: string) {
    this.#run = run;
  }

  kubeconfig(caller: Caller): string {
    return join(this.#run, `${caller}.kubeconfig`);
  }

  pki(name: string): string {
    return join(this.#run, "pki", name);
  }

  /** Makes a certificate authority, the API server's certificate, a key for service accounts, a token each. */
  async make(addresses: Addresses): Promise<void> {
    mkdirSync(this.pki(""), { recursive: true, mode: 0o700 });
    const openssl = (...args: string[]) => run("openssl", args, COMMAND_MS);
    const ecKey = (name: string) =>
      openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", this.pki(name));
    await ecKey("ca.key");
    await openssl(
      ...["req", "-x509", "-new", "-key", this.pki("ca.key"), "-subj", "/CN=perigee-test-ca"],
      ...["-days", DAYS, "-out", this.pki("ca.crt")],
    );
    await ecKey("server.key");
    await openssl(
      ...["req", "-new", "-key", this.pki("server.key"), "-subj", "/CN=kube-apiserver"],
      ...["-out", this.pki("server.csr")],
    );
    const names = [
      ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"].map((n) => `DNS:${n}`),
      ...[addresses.nodes[0], addresses.apiService, "127.0.0.1"].map((ip) => `IP:${ip}`),
    ];
    writeFileSync(this.pki("server.ext"), `subjectAltName=${names.join(",")}\n`);
    await openssl(
      ...["x509", "-req", "-in", this.pki("server.csr"), "-CA", this.pki("ca.crt")],
      ...["-CAkey", this.pki("ca.key"), "-CAcreateserial", "-days", DAYS],
      ...["-extfile", this.pki("server.ext"), "-out", this.pki("server.crt")],
    );
    await openssl("genrsa", "-out", this.pki("accounts.key"), "2048");
    await openssl("rsa", "-in", this.pki("accounts.key"), "-pubout", "-out", this.pki("accounts.pub"));
    this.#makeTokens(addresses);
  }

  #makeTokens(addresses: Addresses): void {
    writeFileSync(this.pki("tokens.csv"), "", { mode: 0o600 });
    for (const { file, user, groups } of CALLERS) {
      const token = randomBytes(16).toString("hex");
      appendFileSync(this.pki("tokens.csv"), `${token},${user},${user},"${groups}"\n`);
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [
          {
            name: "perigee-test",
            cluster: {
              server: `https://${addresses.nodes[0]}:6443`,
              "certificate-authority": this.pki("ca.crt"),
            },
          },
        ],
        users: [{ name: "caller", user: { token } }],
        contexts: [{ name: "perigee-test", context: { cluster: "perigee-test", user: "caller" } }],
        "current-context": "perigee-test",
      };
      // JSON is YAML
      writeFileSync(this.kubeconfig(file), JSON.stringify(config, null, 2), { mode: 0o600 });
    }
  }
}
