import type { Command } from "commander";
import { CliFailure } from "../failure.ts";
import { action } from "../session.ts";

type Prepare = { prepareVmImages(say: (line: string) => void): Promise<string[]> };

/**
 * `perigee edge vm-images`: the operator's verb on the edge's own machine, without a ground.
 * @param load loads what of the agent makes them
 */
export function registerVmImages(edge: Command, load: () => Promise<Prepare>): void {
  edge
    .command("vm-images")
    .description(
      "operator, on the edge's machine: make the two images that virtual machines need in its engine",
    )
    .action(
      action<[], object>(async ({ output }) => {
        const { prepareVmImages } = await load();
        const images = await prepareVmImages((line) => output.waiting(line)).catch((error: Error) => {
          throw new CliFailure("REFUSED", error.message);
        });
        output.result({ message: "The images for virtual machines are there", data: { images } }, () =>
          [...images, "The agent finds them by itself, and offers qemu."].join("\n"),
        );
      }),
    );
}
