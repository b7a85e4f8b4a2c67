import { Argument, type Command } from "commander";
import { completionScript, SHELLS, type Shell } from "../completion.ts";

/** `perigee completion`: prints the completion script for a shell, generated from the command tree. */
export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .description("print the completion script for a shell")
    .addArgument(new Argument("<shell>").choices([...SHELLS]))
    .addHelpText(
      "after",
      `
Bash: source <(perigee completion bash)            (into ~/.bashrc)
Zsh:  source <(perigee completion zsh)             (into ~/.zshrc, after compinit)
Fish: perigee completion fish > ~/.config/fish/completions/perigee.fish`,
    )
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell));
    });
}
