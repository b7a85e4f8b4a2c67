import { signal } from "@preact/signals";
import { ApiError } from "../api/client.ts";
import { refresh } from "../live/live.ts";
import { to } from "../route.ts";
import { Icon } from "./icons.tsx";
import { Mark } from "./status-mark.tsx";

type Notice = {
  id: number;
  kind: "normal" | "critical";
  text: string;
  command?: string | undefined;
  /** of its error's code */
  meaning?: string;
};

const notices = signal<readonly Notice[]>([]);
const SHOWN_MS = 8000;
let count = 0;

/** Says something at the edge of the screen, for a while; errors stay until they are closed. */
export function notify(kind: Notice["kind"], text: string, command?: string): void {
  show({ kind, text, command });
}

/** Says that something failed, why, and what that means. */
export function failed(what: string, error: unknown): void {
  // not that the ground was not reached, or that something else answered in its place
  const code =
    error instanceof ApiError && error.status > 0 && !error.code.startsWith("HTTP_") ? error.code : undefined;
  const id = show({ kind: "critical", text: `${what}: ${reasonOf(error)}` });
  // without it what failed is said all the same
  if (code !== undefined) explain(id, code).catch(() => {});
}

/** The list of what codes mean is not in the first script, as it is large. */
async function explain(id: number, code: string): Promise<void> {
  const { ERRORS, isErrorCode } = await import("#protocol/errors.ts");
  if (!isErrorCode(code)) return;
  const meaning = ERRORS[code][1].replaceAll("`", "");
  notices.value = notices.value.map((one) => (one.id === id ? { ...one, meaning } : one));
}

/** @returns its id */
function show(notice: Omit<Notice, "id">): number {
  const { kind } = notice;
  const id = ++count;
  notices.value = [...notices.value.slice(-2), { id, ...notice }];
  if (kind === "normal") setTimeout(() => close(id), SHOWN_MS);
  return id;
}

/** Begins a command, and says so or why not. @returns the command's id */
export async function start(what: string, call: () => Promise<string>): Promise<string | undefined> {
  try {
    const id = await call();
    notify("normal", `${what}: the command is on its way`, id);
    await refresh(id);
    return id;
  } catch (error) {
    failed(what, error);
    return undefined;
  }
}

export function reasonOf(error: unknown): string {
  if (error instanceof ApiError) {
    const said = error.logTail.at(-1)?.trim();
    return `${error.message}${said ? `: ${said}` : ""} (${error.code})`;
  }
  return (error as Error).message;
}

function close(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

export function Notices() {
  return (
    <div class="notices" role="log" aria-label="Notices" aria-live="polite">
      {notices.value.map(({ id, kind, text, command, meaning }) => (
        <div key={id} class={`notice ${kind}`}>
          <Mark level={kind} />
          <div class="notice-text">
            {text} {command && <a href={to("commands", command)}>Show it</a>}
            {meaning && (
              <details>
                <summary>What it means</summary>
                {meaning}
              </details>
            )}
          </div>
          <button type="button" class="icon-button" aria-label="Close this notice" onClick={() => close(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
