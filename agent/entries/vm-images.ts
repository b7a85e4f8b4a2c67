import { openEngine } from "../engine/open-engine.ts";
import { makeVmImages } from "../pods/qemu/images/make-vm-images.ts";
import { vmImageNames } from "../pods/qemu/images/vm-images.ts";

/**
 * Makes the images for virtual machines in this machine's engine, for the operator.
 * @returns their names
 */
export async function prepareVmImages(say: (line: string) => void): Promise<string[]> {
  await makeVmImages(openEngine(), say);
  const { run, build } = vmImageNames();
  return [run, build];
}
