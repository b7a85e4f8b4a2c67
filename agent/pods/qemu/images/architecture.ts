/** What differs between the machines that an edge may be. */
export type VmArchitecture = {
  /** as Debian calls it */
  debian: string;
  /** the program that runs `linux` machines, of this machine's own kind */
  qemu: string;
  /** Debian's packages with QEMU for `linux` and for `baremetal` */
  qemuPackages: readonly string[];
  /** Debian's package with a compiler for `baremetal` programs; this machine's own where it is of their kind */
  crossCompiler: string;
};

const ARCHITECTURES: Partial<Record<string, VmArchitecture>> = {
  x64: {
    debian: "amd64",
    qemu: "/usr/bin/qemu-system-x86_64",
    qemuPackages: ["qemu-system-x86", "qemu-system-arm"],
    crossCompiler: "gcc-aarch64-linux-gnu",
  },
  arm64: {
    debian: "arm64",
    qemu: "/usr/bin/qemu-system-aarch64",
    qemuPackages: ["qemu-system-arm"],
    crossCompiler: "gcc",
  },
};

/** Of this machine. @throws Error where virtual machines are not offered */
export function vmArchitecture(arch: string = process.arch): VmArchitecture {
  const found = ARCHITECTURES[arch];
  if (!found) throw new Error(`there are no virtual machines for ${arch}`);
  return found;
}
