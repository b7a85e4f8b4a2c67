/**
 * node simulated-device.mjs DIRECTORY: a simulated FPGA manager, until Ctrl-C. It programs nothing: it takes the names that
 * the agent writes into `firmware`, counts them, and says that the device works. The agent finds it when its configuration
 * names DIRECTORY as the `root` of a device.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";

const [root] = process.argv.slice(2);
if (!root) throw new Error("usage: simulated-device.mjs DIRECTORY");
const manager = join(root, "sys/class/fpga_manager/fpga0");
const firmware = join(root, "lib/firmware");
rmSync(manager, { recursive: true, force: true });
for (const directory of [manager, firmware]) mkdirSync(directory, { recursive: true });
writeFileSync(join(manager, "name"), "simulated ZynqMP FPGA Manager\n");
writeFileSync(join(manager, "flags"), "0\n");
for (const name of ["firmware", "state", "status"]) execFileSync("mkfifo", [join(manager, name)]);

let loads = 0;
/** A FIFO takes a text once somebody reads it; an answer that nobody has read is given up at the next load. */
function answer(name, text, load) {
  if (load !== loads) return;
  try {
    const fd = openSync(join(manager, name), constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fd, `${text}\n`);
    closeSync(fd);
  } catch (error) {
    if (error.code !== "ENXIO") throw error;
    setTimeout(answer, 2, name, text, load);
  }
}

const fd = openSync(join(manager, "firmware"), constants.O_RDWR | constants.O_NONBLOCK);
new Socket({ fd, readable: true, writable: false }).setEncoding("utf8").on("data", (name) => {
  const file = join(firmware, name);
  if (!existsSync(file)) return;
  loads++;
  console.log(
    `load ${loads}: ${statSync(file).size} bytes. This device is simulated: nothing was programmed.`,
  );
  answer("state", "operating", loads);
  answer("status", "", loads);
});
console.log(`A simulated FPGA is at ${root}.`);
