import { writeFileSync } from "node:fs";
import { LoadError } from "../programmer/fpga-programmer.ts";
import { doTask } from "./do-task.ts";
import { type LoaderAnswer, MOST_SAID, taskOf } from "./loader-task.ts";

/*
 * The program of a loader pod: it does one task on the device of its node, and ends. All that it is told stands in its
 * arguments, and all that it may reach is mounted where it looks.
 */

const PLACES = { config: "/etc/perigee/fpga/agent.json", root: "/host", store: "/store" };
const SAID = "/dev/termination-log";

const answer = await answerTo(process.argv.slice(2));
writeFileSync(SAID, JSON.stringify(answer).slice(0, MOST_SAID));
process.exit("code" in answer ? 1 : 0);

async function answerTo(args: readonly string[]): Promise<LoaderAnswer> {
  try {
    return await doTask(taskOf(args), { node: process.env.PERIGEE_FPGA_NODE ?? "", ...PLACES });
  } catch (error) {
    if (!(error instanceof LoadError)) return { code: "LOAD_FAILED", message: (error as Error).message };
    const { code, message, driver } = error;
    return { code, message, ...(driver && { driver }) };
  }
}
