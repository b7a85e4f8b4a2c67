import { signal } from "@preact/signals";
import { ApiError } from "../api/client.ts";
import { refresh } from "../live/live.ts";
import { to } from "../route.ts";
import { Icon } from "./icons.tsx";
import { Mark } from "./status-mark.tsx";

type Notice = { id: number; kind: "normal" | "critical"; text: string; command?: string };

const notices = signal<readonly Notice[]>([]);
const SHOWN_MS = 8000;
let count = 0;

/** Says something at the edge of the screen, for a while; errors stay until they are closed. */
export function notify(kind: Notice["kind"], text: string, command?: string): void {
  const id = ++count;
  notices.value = [...notices.value.slice(-2), { id, kind, text, ...(command && { command }) }];
  if (kind === "normal") setTimeout(() => close(id), SHOWN_MS);
}

/** Begins a command, and says so or why not. @returns the command's id */
export async function start(what: string, call: () => Promise<string>): Promise<string | undefined> {
  try {
    const id = await call();
    notify("normal", `${what}: the command is on its way`, id);
    await refresh(id);
    return id;
  } catch (error) {
    notify("critical", `${what}: ${reasonOf(error)}`);
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
      {notices.value.map(({ id, kind, text, command }) => (
        <div key={id} class={`notice ${kind}`}>
          <Mark level={kind} />
          <p>
            {text} {command && <a href={to("commands", command)}>Show it</a>}
          </p>
          <button type="button" class="icon-button" aria-label="Close this notice" onClick={() => close(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
