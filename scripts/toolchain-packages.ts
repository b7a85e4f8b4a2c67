import { canInstall, findProgram, installPackages } from "./debian-packages.ts";

/** Of each language the program that its tools begin with, and Debian's packages that have all of them. */
export const TOOLCHAIN_PACKAGES = {
  c: { program: "gcc", packages: ["gcc", "make", "libc6-dev"] },
  go: { program: "go", packages: ["golang-go"] },
  java: { program: "javac", packages: ["default-jdk-headless"] },
  python: { program: "python3", packages: ["python3"] },
};

/** Installs the tools of languages that this machine lacks, where we may. */
export async function ensureToolchainPackages(say: (line: string) => void): Promise<void> {
  const missing = Object.values(TOOLCHAIN_PACKAGES)
    .filter(({ program }) => !findProgram(program) && !findProgram(`../go/bin/${program}`))
    .flatMap(({ packages }) => packages);
  if (missing.length > 0 && canInstall()) await installPackages(missing, say);
}
