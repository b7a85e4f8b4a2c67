import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Xterm } from "@xterm/xterm";
import { useEffect, useRef, useState } from "preact/hooks";
import { reasonOf } from "../parts/notices.tsx";
import { ExecSocket } from "./exec-socket.ts";
import { ownStyles } from "./own-styles.ts";

/** Bytes that wait to be drawn, before it is given up: a browser cannot make a socket wait. */
const MOST_WAITING = 32 * 1024 * 1024;

type State = { at: "opening" | "running" } | { at: "ended"; words: string };
type Props = { pod: string; onClose: () => void };

/** A shell in a pod that runs, with its own keyboard: Shift and Escape lead out of it. */
export function Terminal({ pod, onClose }: Props) {
  const [state, setState] = useState<State>({ at: "opening" });
  const [round, setRound] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    setState({ at: "opening" });
    return openTerminal(pod, box.current!, { tell: setState, leave: () => close.current?.focus() });
  }, [pod, round]);
  return (
    <section class="terminal-part" aria-label={`Terminal in ${pod}`}>
      <div class="log-bar">
        <strong>Terminal</strong>
        <span class="muted" role="status">
          {state.at === "ended" ? state.words : state.at === "running" ? "Running" : "Asking the edge…"}
        </span>
        <span class="spring" />
        <span class="hint wide">Shift + Escape leaves it</span>
        {state.at === "ended" && (
          <button type="button" class="button small" onClick={() => setRound(round + 1)}>
            Open again
          </button>
        )}
        <button ref={close} type="button" class="button small" onClick={onClose}>
          Close
        </button>
      </div>
      <div ref={box} class="terminal-box" />
    </section>
  );
}

type Told = { tell(state: State): void; leave(): void };

/** @returns what ends it, and what runs in it */
function openTerminal(pod: string, box: HTMLElement, { tell, leave }: Told): () => void {
  const endStyles = ownStyles();
  const xterm = new Xterm({
    ...lookOf(box),
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    screenReaderMode: true,
    scrollback: 5000,
  });
  const fit = new FitAddon();
  xterm.loadAddon(fit);
  xterm.open(box);
  fit.fit();
  xterm.attachCustomKeyEventHandler((event) => {
    if (event.key !== "Escape" || !event.shiftKey) return true;
    if (event.type === "keydown") leave();
    return false;
  });
  xterm.focus();
  const observer = new ResizeObserver(() => fit.fit());
  observer.observe(box);

  let socket: ExecSocket | undefined;
  let gone = false;
  let waiting = 0;
  const output = (bytes: Uint8Array) => {
    waiting += bytes.length;
    if (waiting > MOST_WAITING) socket?.close("It wrote faster than it can be shown.");
    else xterm.write(bytes, () => (waiting -= bytes.length));
  };
  const ended = (words: string) => {
    xterm.options.disableStdin = true;
    if (!gone) tell({ at: "ended", words });
  };
  const size = () => ({ rows: xterm.rows, columns: xterm.cols });
  ExecSocket.open(pod, size(), { started: () => tell({ at: "running" }), output, ended }).then(
    (opened) => {
      socket = opened;
      if (gone) opened.close();
    },
    (error: unknown) => ended(reasonOf(error)),
  );
  const encoder = new TextEncoder();
  xterm.onData((text) => socket?.input(encoder.encode(text)));
  xterm.onBinary((text) => socket?.input(Uint8Array.from(text, (one) => one.charCodeAt(0))));
  xterm.onResize(() => socket?.resize(size()));
  return () => {
    gone = true;
    observer.disconnect();
    socket?.close();
    xterm.dispose();
    endStyles();
  };
}

/** Colours and type of the page. */
function lookOf(box: HTMLElement) {
  const style = getComputedStyle(box);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    fontFamily: token("mono"),
    fontSize: 13,
    theme: { background: token("log-ground"), foreground: token("log-text"), cursor: token("log-text") },
  };
}
