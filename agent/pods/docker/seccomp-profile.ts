import { SYSTEM_CALLS } from "./system-calls.ts";

/** Kinds of sockets that a payload may open: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. AF_VSOCK would reach the hypervisor. */
const SOCKET_FAMILIES = [1, 2, 10, 16];

/** Linux, the same with 16-byte addresses or 3 GiB layouts for old programs, and the question which it is. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
const NEW_NAMESPACES = 0x7e020000;

const CLONE_FILES = 0x400;
const CLONE_THREAD = 0x10000;
const CLOSE_RANGE_UNSHARE = 2;

const ENOSYS = 38;

const allow = (name: string, index: number, op: string, value: number, valueTwo?: number) => ({
  names: [name],
  action: "SCMP_ACT_ALLOW",
  args: [{ index, op, value, ...(valueTwo !== undefined && { valueTwo }) }],
});

/**
 * The seccomp profile of all pods, as an engine takes it: what an engine of today lets a container without added
 * capabilities do, without its leniencies, so that an older engine's own profile does not matter.
 */
export const SECCOMP_PROFILE = JSON.stringify({
  defaultAction: "SCMP_ACT_ERRNO",
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
  ],
  syscalls: [
    { names: SYSTEM_CALLS, action: "SCMP_ACT_ALLOW" },
    { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
    // By equality: the filter sees 64 bits of which the kernel reads 32, so "all but AF_VSOCK" would let it through.
    ...SOCKET_FAMILIES.map((family) => allow("socket", 0, "SCMP_CMP_EQ", family)),
    ...PERSONALITIES.map((personality) => allow("personality", 0, "SCMP_CMP_EQ", personality)),
    // Threads of one process share their open files, so that what it holds is found (held-files.ts).
    allow("clone", 0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES + CLONE_THREAD, 0),
    allow("clone", 0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES + CLONE_FILES, CLONE_FILES),
    allow("close_range", 2, "SCMP_CMP_MASKED_EQ", CLOSE_RANGE_UNSHARE, 0),
    // Its flags lie in memory, which no filter sees: C libraries take clone instead.
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
  ],
});

/**
 * Our profile where it is to be used; undefined where the engine's stays: without seccomp, on other architectures, or
 * when the operator gave the engine one of his own.
 * @param info what the engine says of itself
 */
export function seccompProfile(info: {
  SecurityOptions?: string[];
  Architecture?: string;
}): string | undefined {
  const told = (info.SecurityOptions ?? []).find((option) => option.split(",").includes("name=seccomp"));
  const profile = told?.split(",").find((part) => part.startsWith("profile="));
  const engines = profile === "profile=default" || profile === "profile=builtin";
  const known = info.Architecture === "x86_64" || info.Architecture === "aarch64";
  return engines && known ? SECCOMP_PROFILE : undefined;
}
