/** How the cluster says that an execution ended. */
export type ExecStatus = { exit: number } | { failed: string };

type Status = {
  status?: string;
  reason?: string;
  message?: string;
  details?: { causes?: { reason?: string; message?: string }[] };
};

/** Reads the last message of the error channel; pure. */
export function statusOfExec(text: string): ExecStatus {
  let told: Status;
  try {
    told = JSON.parse(text) as Status;
  } catch {
    return { failed: text.slice(0, 500) };
  }
  if (told.status === "Success") return { exit: 0 };
  const code = told.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  if (told.reason === "NonZeroExitCode" && code !== undefined && /^\d{1,3}$/.test(code)) {
    return { exit: Number(code) };
  }
  return { failed: told.message ?? text.slice(0, 500) };
}
