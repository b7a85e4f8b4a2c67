/** Values of a member, wherever it is in a JSON report: its place differs between versions of the tool. */
function* membersNamed(value: unknown, name: string, depth = 0): Generator<unknown> {
  if (typeof value !== "object" || value === null || depth > 20) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === name) yield member;
    yield* membersNamed(member, name, depth + 1);
  }
}

/** Addresses of the cards that a report names. */
export function devicesIn(report: unknown): string[] {
  return [...membersNamed(report, "bdf")].filter((bdf) => typeof bdf === "string");
}

/** uuids of what is loaded, 32 lower-case hex digits each. */
export function uuidsIn(report: unknown): string[] {
  return [...membersNamed(report, "xclbin_uuid")].flatMap((uuid) => {
    const digits = typeof uuid === "string" ? uuid.replaceAll("-", "").toLowerCase() : "";
    return /^[0-9a-f]{32}$/.test(digits) ? [digits] : [];
  });
}
