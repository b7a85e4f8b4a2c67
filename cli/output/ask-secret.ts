/** Reads a line from the terminal without echoing it. @throws AbortError on Ctrl-C */
export function askSecret(prompt: string, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = process;
  // Raw mode does not echo, and leaves Ctrl-C and editing to us. It is set before the prompt: whoever answers
  // quickly (a script, a password manager) must not be echoed either.
  stdin.setRawMode(true);
  stderr.write(prompt);
  stdin.setEncoding("utf8");
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const settle = (act: () => void) => {
      stdin.off("data", onData).off("end", onEnd);
      signal.removeEventListener("abort", onAbort);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      act();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const onEnd = () => settle(() => resolve(typed.join("")));
    const onData = (text: string) => {
      for (const character of text) {
        if (character === "\r" || character === "\n" || character === "\u0004") return onEnd();
        if (character === "\u0003") {
          process.kill(process.pid, "SIGINT");
          return;
        }
        if (character === "\u007f" || character === "\b") typed.pop();
        else if (character === "\u0015") typed = [];
        else if (character >= " ") typed.push(character);
      }
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort);
    stdin.on("data", onData).on("end", onEnd);
    stdin.resume();
  });
}
