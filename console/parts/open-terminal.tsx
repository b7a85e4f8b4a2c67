import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { reasonOf } from "./notices.tsx";

type Props = { pod: string; onClose: () => void };

/** Loads the terminal when it is opened: it is larger than all the rest of the console. */
export function OpenTerminal(props: Props) {
  const [part, setPart] = useState<{ Terminal: ComponentType<Props> } | { failed: string }>();
  useEffect(() => {
    import("../terminal/terminal.tsx").then(setPart, (error: unknown) =>
      setPart({ failed: reasonOf(error) }),
    );
  }, []);
  if (!part) return <p class="muted">Loading the terminal…</p>;
  if ("failed" in part) return <p class="form-error">The terminal could not be loaded: {part.failed}</p>;
  return <part.Terminal {...props} />;
}
