import { canInstall, findProgram, installPackages } from "./debian-packages.ts";

/** Of each language where the program is that its tools begin with, and Debian's packages that have all of them. */
export const TOOLCHAIN_PACKAGES = {
  c: { find: () => findProgram("cc"), packages: ["gcc", "make", "libc6-dev"] },
  go: { find: () => findProgram("go") ?? findProgram("../go/bin/go"), packages: ["golang-go"] },
  java: { find: () => findProgram("javac"), packages: ["default-jdk-headless"] },
  python: { find: () => findProgram("python3"), packages: ["python3"] },
};

/** Installs the tools of languages that this machine lacks, where we may. */
export async function ensureToolchainPackages(say: (line: string) => void): Promise<void> {
  const missing = Object.values(TOOLCHAIN_PACKAGES).filter(({ find }) => find() === undefined);
  if (missing.length > 0 && canInstall())
    await installPackages(
      missing.flatMap(({ packages }) => packages),
      say,
    );
}
